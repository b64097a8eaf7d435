import pytest

from benchmarks.side_by_side import config as module
from benchmarks.side_by_side.config import SideBySideConfig
from kerasnets import UserError


def test_peers_take_commas_and_spaces():
    config = SideBySideConfig(peers=("kerasnets,keras.applications", "kerasnets")).resolved()
    assert config.peers == ("kerasnets", "keras.applications", "kerasnets")


def test_an_unknown_peer_is_named():
    with pytest.raises(UserError, match="Unknown peer 'keras'. The closest: keras.applications"):
        SideBySideConfig(peers=("keras",)).resolved()


def test_a_peer_that_is_not_installed_is_named(monkeypatch):
    installed = module.installed
    monkeypatch.setattr(module, "installed", lambda name: name != "timm" and installed(name))
    with pytest.raises(UserError, match="'timm' needs timm, which is not installed"):
        SideBySideConfig(peers=("timm",)).resolved()
    assert "timm" not in SideBySideConfig().resolved().peers
