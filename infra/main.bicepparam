using './main.bicep'

// Read from the environment, so that neither keys nor addresses are in the repository. Every parameter is here: a deployment
// sets them all, and what is not in the environment goes back to its default. infra/parameters.py GROUP prints what the
// last deployment had. azd sets the AZURE_ ones.
param location = readEnvironmentVariable('AZURE_LOCATION', 'germanywestcentral')
param locationOutsideEu = readEnvironmentVariable('LOCATION_OUTSIDE_EU', '')
param name = readEnvironmentVariable('EXPORTER_NAME', 'ampexport')
param environmentName = readEnvironmentVariable('AZURE_ENV_NAME', '')
param tags = json(readEnvironmentVariable('TAGS', '{}'))

// The app's settings, each by its own name.
param ampApiKey = readEnvironmentVariable('AMP_API_KEY', '')
param ampSecretKey = readEnvironmentVariable('AMP_SECRET_KEY', '')
param ampBaseUrl = readEnvironmentVariable('AMP_BASE_URL', 'https://analytics.eu.amplitude.com')
param exportContainer = readEnvironmentVariable('EXPORT_CONTAINER', 'amplitude')
param exportPrefix = readEnvironmentVariable('EXPORT_PREFIX', '')
param exportDataOutfile = readEnvironmentVariable('EXPORT_DATA_OUTFILE', 'ampl_dump')
param exportSchedule = readEnvironmentVariable('EXPORT_SCHEDULE', '0 0 2 * * *')
param exportTmpLimitMb = int(readEnvironmentVariable('EXPORT_TMP_LIMIT_MB', '400'))
param exportMaxAttempts = int(readEnvironmentVariable('EXPORT_MAX_ATTEMPTS', '5'))
param exportDelaySeconds = readEnvironmentVariable('EXPORT_DELAY_SECONDS', '1')
param exportSettleHours = int(readEnvironmentVariable('EXPORT_SETTLE_HOURS', '12'))
param exportLookbackDays = int(readEnvironmentVariable('EXPORT_LOOKBACK_DAYS', '7'))
param exportMaxRejectedPercent = readEnvironmentVariable('EXPORT_MAX_REJECTED_PERCENT', '1')
param exportConcurrency = int(readEnvironmentVariable('EXPORT_CONCURRENCY', '2'))
param exportLogLevel = readEnvironmentVariable('EXPORT_LOG_LEVEL', 'INFO')

param pythonVersion = readEnvironmentVariable('PYTHON_VERSION', '3.13')
param instanceMemoryMb = int(readEnvironmentVariable('INSTANCE_MEMORY_MB', '2048'))
param exportRedundancy = readEnvironmentVariable('REDUNDANCY', 'Standard_ZRS')
param retentionDays = int(readEnvironmentVariable('RETENTION_DAYS', '0'))
param restoreDays = int(readEnvironmentVariable('RESTORE_DAYS', '30'))
// Several: separated by commas. None at all: the word none.
param readers = split(readEnvironmentVariable('READERS', ''), ',')
param alertEmails = split(readEnvironmentVariable('ALERT_EMAILS', ''), ',')
param assignRoles = bool(readEnvironmentVariable('ASSIGN_ROLES', 'true'))
param dumpsRole = readEnvironmentVariable('DUMPS_ROLE', 'builtIn')
param protect = bool(readEnvironmentVariable('PROTECT', 'false'))
param volumeFactor = int(readEnvironmentVariable('VOLUME_FACTOR', '5'))
param logRetentionDays = int(readEnvironmentVariable('LOG_RETENTION_DAYS', '30'))
param logDailyCapGb = int(readEnvironmentVariable('LOG_DAILY_CAP_GB', '1'))
