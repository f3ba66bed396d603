"""Tasks: what a run trains, shows and measures."""

from typing import Any

from ganloss.runs.settings import GenerateSettings, RunSettings
from ganloss.runs.tasks._task import Task as Task
from ganloss.runs.tasks._task import one_each as one_each
from ganloss.runs.tasks.generate import GenerateTask

_TASKS: dict[type[RunSettings], type[Task[Any, Any]]] = {GenerateSettings: GenerateTask}


def task_for(settings: RunSettings) -> Task[Any, Any]:
    """Give the task that the settings belong to; its flags are checked, nothing is read yet.

    Raises:
        UsageError: naming the flag and what it takes.
    """
    return _TASKS[type(settings)](settings)
