"""Tasks: what a run trains, shows and measures."""

from typing import Any

from ganloss.runs.settings import GenerateSettings, PairedSettings, RunSettings, UnpairedSettings
from ganloss.runs.tasks._task import Task as Task
from ganloss.runs.tasks._task import one_each as one_each
from ganloss.runs.tasks.generate import GenerateTask
from ganloss.runs.tasks.paired import PairedTask
from ganloss.runs.tasks.unpaired import UnpairedTask

_TASKS: dict[type[RunSettings], type[Task[Any, Any]]] = {
    GenerateSettings: GenerateTask,
    PairedSettings: PairedTask,
    UnpairedSettings: UnpairedTask,
}


def task_for(settings: RunSettings) -> Task[Any, Any]:
    """Give the task that the settings belong to; its flags are checked, nothing is read yet.

    Raises:
        UsageError: naming the flag and what it takes.

    >>> type(task_for(GenerateSettings(data="demo:ring", steps=10))).__name__
    'GenerateTask'
    """
    return _TASKS[type(settings)](settings)
