"""The decide screen of a failover: what is known, what it would cost, and the recommended word."""

from __future__ import annotations

import time

import click

from drctl.actions.decide import Terms
from drctl.actions.picture import Picture


def show_decision(picture: Picture, terms: Terms) -> None:
    """The decide screen, on stderr: stdout is for the result."""
    def say(text: str) -> None:
        click.echo(text, err=True)

    say(click.style(f"\nfailover from {picture.lost} to {picture.to}", bold=True))
    for what, told in picture.alive.items():
        say(f"  {what:44} {click.style(told, fg='yellow') if told.startswith('NO') else told}")
    lag = "not known" if picture.lag_s is None else f"{seconds(picture.lag_s, '.1f')} ({picture.lag_from})"
    bound = "not stated" if terms.allowed_loss_s is None else seconds(terms.allowed_loss_s, "g")
    say(f"  {'newest known replication lag':44} {lag}")
    say(f"  {'expected loss':44} {_expected_loss(picture)}; accepted: {bound}")
    say(f"  {'expected time':44} {picture.minutes:g} min ({picture.minutes_from})")
    for blocker in picture.blockers:
        say(click.style(f"  blocked: {blocker}", fg="red"))
    for text in picture.unseen:
        say(click.style(f"  not seen: {text}", fg="yellow"))
    say("  what will not come back by itself:")
    for text in picture.gone:
        say(f"    - {text}")
    color = {"failover": "green", "switchover": "yellow"}.get(picture.word, "red")
    say(f"  recommended: {click.style(picture.word, fg=color, bold=True)} - {picture.because}\n")


def seconds(count: float, how: str) -> str:
    """Seconds, and what nobody counts in seconds in hours and minutes too."""
    minutes = round(count / 60)
    longer = f"{minutes // 60} h {minutes % 60} min" if minutes >= 60 else f"{minutes} min"
    return f"{count:{how}} s" + (f", {longer}" if minutes >= 2 else "")


def less_if_lost(lag_s: float, since: float, lost: str) -> str:
    """What a lag may mean that grows since a moment (seconds since 1970)."""
    return (f"at most {seconds(lag_s, '.1f')} if {lost} took no write after "
            f"{time.strftime('%H:%M UTC', time.gmtime(since))}, when it began to grow")


def _expected_loss(picture: Picture) -> str:
    if picture.promoted:
        return "nothing more"
    lag = picture.lag
    if lag is not None and lag.growth is not None:
        return f"at most that lag; {less_if_lost(lag.growth.seconds, lag.growth.since, picture.lost)}"
    old = lag is not None and lag.is_old
    return "that lag, if the region was lost when it was measured" if old else "at most that lag"
