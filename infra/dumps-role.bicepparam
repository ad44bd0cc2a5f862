using './dumps-role.bicep'
