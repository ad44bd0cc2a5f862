using './main.bicep'

param exporterGroup = readEnvironmentVariable('EXPORTER_GROUP')
param appPrincipalId = readEnvironmentVariable('APP_PRINCIPAL_ID')
param deploySubject = readEnvironmentVariable('DEPLOY_SUBJECT')
param whatIfSubject = readEnvironmentVariable('WHAT_IF_SUBJECT')
