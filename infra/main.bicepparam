using './main.bicep'

// Read from the environment, so that neither keys nor addresses are in the repository. azd sets the AZURE_ ones.
param location = readEnvironmentVariable('AZURE_LOCATION', 'germanywestcentral')
param environmentName = readEnvironmentVariable('AZURE_ENV_NAME', '')
param ampApiKey = readEnvironmentVariable('AMP_API_KEY', '')
param ampSecretKey = readEnvironmentVariable('AMP_SECRET_KEY', '')
param ampBaseUrl = readEnvironmentVariable('AMP_BASE_URL', 'https://analytics.eu.amplitude.com')
param assignRoles = bool(readEnvironmentVariable('ASSIGN_ROLES', 'true'))
param protect = bool(readEnvironmentVariable('PROTECT', 'false'))
// Several addresses or groups: separated by commas, without blanks.
param alertEmails = empty(readEnvironmentVariable('ALERT_EMAILS', '')) ? [] : split(readEnvironmentVariable('ALERT_EMAILS', ''), ',')
param readers = empty(readEnvironmentVariable('READERS', '')) ? [] : split(readEnvironmentVariable('READERS', ''), ',')
