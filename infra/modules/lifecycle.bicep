// What happens to the dumps with time. Tiers are for dumps alone: manifests are read every night and stay hot.

@description('The storage account of the dumps.')
param accountName string

@description('The container of the dumps.')
param container string

@description('What goes before every name.')
param prefix string

@description('Days after which a day is deleted, counted from when it was last written. 0: never.')
param retentionDays int

@description('Days after which an old version is deleted, counted from when that version was written.')
param oldVersionDays int

var root = '${container}/${prefix}'

resource account 'Microsoft.Storage/storageAccounts@2025-06-01' existing = {
  name: accountName
}

resource rules 'Microsoft.Storage/storageAccounts/managementPolicies@2025-06-01' = {
  parent: account
  name: 'default'
  properties: {
    policy: {
      rules: [
        {
          enabled: true
          name: 'dumps-grow-cold'
          type: 'Lifecycle'
          definition: {
            filters: {
              blobTypes: [
                'blockBlob'
              ]
              // Every dump's name starts with the century of its day.
              prefixMatch: [
                '${root}20'
              ]
            }
            actions: {
              baseBlob: {
                tierToCool: {
                  daysAfterModificationGreaterThan: 30
                }
                tierToCold: {
                  daysAfterModificationGreaterThan: 90
                }
              }
            }
          }
        }
        {
          enabled: true
          name: 'old-versions-go'
          type: 'Lifecycle'
          definition: {
            filters: {
              blobTypes: [
                'blockBlob'
              ]
              prefixMatch: [
                root
              ]
            }
            actions: {
              version: {
                delete: {
                  daysAfterCreationGreaterThan: oldVersionDays
                }
              }
            }
          }
        }
        // A day goes whole, its manifest, its rejected lines and its table with it: a manifest without its dump would count as missing.
        {
          enabled: retentionDays > 0
          name: 'days-go'
          type: 'Lifecycle'
          definition: {
            filters: {
              blobTypes: [
                'blockBlob'
              ]
              prefixMatch: [
                '${root}20'
                '${root}manifests/'
                '${root}rejected/'
                '${root}failures/'
                '${root}parquet/'
              ]
            }
            actions: {
              baseBlob: {
                delete: {
                  daysAfterModificationGreaterThan: retentionDays
                }
              }
            }
          }
        }
      ]
    }
  }
}
