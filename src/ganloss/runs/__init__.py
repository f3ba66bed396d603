"""Runs: settings, folders, training, pictures and pages."""
