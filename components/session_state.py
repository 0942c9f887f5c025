"""What a session remembers from one run of the page to the next: the only place that touches Streamlit's own store.

Values of widgets lie in the same store, under the widgets' keys.
"""

from __future__ import annotations

from typing import Any

import streamlit as st


def value_of(name: str) -> Any:
    """Return what is remembered under a name.

    Raises:
        KeyError: nothing is.
    """
    return st.session_state[name]


def recall(name: str, default: Any = None) -> Any:
    """Return what is remembered under a name, or something else where nothing is."""
    return st.session_state.get(name, default)


def recall_or_begin(name: str, first: Any) -> Any:
    """Return what is remembered under a name; where nothing is, remember what it begins with."""
    return st.session_state.setdefault(name, first)


def remember(name: str, value: Any) -> None:
    """Remember something; under the key of a widget that is not drawn yet, let the widget show it."""
    st.session_state[name] = value


def take(name: str, default: Any = None) -> Any:
    """Return what is remembered under a name, and forget it."""
    return st.session_state.pop(name, default)


def forget(*names: str) -> None:
    """Remember nothing more under some names."""
    for name in names:
        st.session_state.pop(name, None)


def remembers(name: str) -> bool:
    """Whether anything is remembered under a name."""
    return name in st.session_state


def key_showing(name: str, value: Any) -> str:
    """Let a widget show a value, and return the widget's key; what it is set to says `chosen`.

    The browser keeps what the widgets of a popover that was opened and closed were set to, and sends it with
    the next act, over what they were told meanwhile. A widget of another key has no such past.
    """
    key = _key_of(name)
    if recall(key, value) != value:
        remember(f"{name} version", recall(f"{name} version", 0) + 1)
        key = _key_of(name)
    remember(key, value)
    return key


def chosen(name: str) -> Any:
    """Return what a widget is set to whose key `key_showing` gave.

    Raises:
        KeyError: there is none of that name.
    """
    return value_of(_key_of(name))


def _key_of(name: str) -> str:
    version = recall(f"{name} version", 0)
    return f"{name} {version}" if version else name


def forget_all_under(start: str) -> None:
    """Forget all whose name begins so, with a space after it."""
    forget(*(str(name) for name in st.session_state if str(name).startswith(f"{start} ")))
