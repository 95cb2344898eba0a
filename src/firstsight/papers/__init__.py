"""What the papers print, on which data sets and with which settings."""
