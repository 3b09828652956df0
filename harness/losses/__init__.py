"""Losses: functions of similarity matrices and masks, one file per family."""
