"""Recipes: functions that return the phases of a way of training."""
