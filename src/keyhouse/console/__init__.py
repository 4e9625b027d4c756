"""The console: what people see. Pages over the control plane's verbs and reporting's questions.

Every page works from its URL and without JavaScript. This room holds no rule about keys, limits or money:
it reads forms, asks, and puts answers into words.
"""

from keyhouse.console.account import set_up_path
from keyhouse.console.app import build
from keyhouse.console.desk import Desk

__all__ = ["Desk", "build", "set_up_path"]
