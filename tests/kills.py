"""Kills a training, for the tests of what goes on afterwards."""

from helpers.training import fitting


def killed_after(monkeypatch, epochs):
    """Interrupt the first training after so many epochs; returns the list of all epochs that ended."""
    original, ended = fitting._Keeper.on_epoch_end, []

    def on_epoch_end(self, epoch, logs=None):
        original(self, epoch, logs)
        ended.append(epoch)
        if len(ended) == epochs:
            raise KeyboardInterrupt

    monkeypatch.setattr(fitting._Keeper, "on_epoch_end", on_epoch_end)
    return ended
