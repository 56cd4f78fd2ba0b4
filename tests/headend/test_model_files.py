"""Meter models outside the package: what a folder may hold; a fault is told by file, line, key and rule."""

import pytest

from bijlighar.dlms.models import UnknownModel, add_models, load_model, model_names
from bijlighar.headend.event_texts import event_texts
from bijlighar.headend.model_files import MOST_OCTETS, ModelsNotUsable, add_models_of, model_of

OWN = """extends = ["is15959-d1"]
name = "hills-d1"
newest_first = true
"""


@pytest.fixture(autouse=True)
def _nothing_added():
    yield
    add_models({})
    event_texts.cache_clear()


def written(folder, **texts):
    for name, text in texts.items():
        (folder / f"{name.replace('_', '-').replace('PART', '_')}.toml").write_text(text, encoding="utf-8")
    return folder


def refused(folder):
    with pytest.raises(ModelsNotUsable) as refusal:
        add_models_of(folder)
    return str(refusal.value).replace(str(folder), "DIR")


def test_models_of_a_folder_are_known_beside_those_of_the_package(tmp_path):
    shipped = model_names()
    written(tmp_path, hills_d1=OWN, PARTblock="newest_first = false\n")
    written(tmp_path, hills_d2='extends = ["hills-d1", "_block"]\nname = "hills-d2"\n')
    assert add_models_of(tmp_path) == ("hills-d1", "hills-d2")
    assert set(model_names()) == {*shipped, "hills-d1", "hills-d2"}
    assert load_model("hills-d1").newest_first
    assert not load_model("hills-d2").newest_first
    assert event_texts("hills-d1") == event_texts("is15959-d1")
    assert model_of("hills-d1") is load_model("hills-d1")
    add_models_of(None)
    assert model_names() == shipped
    with pytest.raises(UnknownModel):
        load_model("hills-d1")


def test_a_name_of_the_package_is_refused(tmp_path):
    for name in ("is15959-d1", "_relay"):
        file = tmp_path / f"{name}.toml"
        file.write_text(OWN, encoding="utf-8")
        told = refused(tmp_path)
        assert told == f"DIR/{name}.toml: a model named {name!r} comes with the package; give yours another name"
        file.unlink()
    assert "hills-d1" not in model_names()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            OWN.replace("hills-d1", "other"),
            "DIR/hills-d1.toml:2: name: is 'other', and a model is named as its file",
        ),
        (OWN.replace("is15959-d1", "is15959-d9"), "DIR/hills-d1.toml:1: extends: no meter model is named"),
        (OWN.replace("is15959-d1", "hills-d1"), "DIR/hills-d1.toml:1: extends: more than 8 texts"),
        (OWN + "newest_first = false\n", "DIR/hills-d1.toml: no TOML: Cannot overwrite a value (at line 4"),
        (OWN + 'deviation_sign = "usual"\n', "DIR/hills-d1.toml:4: deviation_sign: "),
        (OWN + "stampp = 1\n", "DIR/hills-d1.toml:4: stampp: is not a known key"),
        (
            OWN + '\n[profiles.daily]\n# as shown\ncapture = ["clok"]\n',
            "DIR/hills-d1.toml:7: profiles.daily.capture[0]: no quantity is named 'clok'",
        ),
        (OWN + "\n[pushes.row]\n", "DIR/hills-d1.toml:5: pushes.row.obis: is missing"),
        ("", "DIR/hills-d1.toml: name: is missing"),
    ],
)
def test_a_fault_is_told_by_file_line_key_and_rule(tmp_path, text, told):
    assert refused(written(tmp_path, hills_d1=text)).startswith(told)


def test_what_is_no_file_of_a_model_is_refused(tmp_path):
    (tmp_path / "Hills D1.toml").write_text(OWN, encoding="utf-8")
    assert "lower-case letters" in refused(tmp_path)
    (tmp_path / "Hills D1.toml").rename(tmp_path / "hills-d1.toml")
    (tmp_path / "hills-d1.toml").write_bytes(b"name = '\xff'")
    assert refused(tmp_path) == "DIR/hills-d1.toml: not UTF-8 at octet 8"
    (tmp_path / "hills-d1.toml").write_bytes(b"#" * (MOST_OCTETS + 1))
    assert "more than 1048576 octets" in refused(tmp_path)
    (tmp_path / "hills-d1.toml").unlink()
    (tmp_path / "readme.txt").write_text("not a model", encoding="utf-8")
    assert add_models_of(tmp_path) == ()
    assert refused(tmp_path / "absent") == "the folder of models DIR cannot be read: No such file or directory"


def test_a_draft_may_lie_anywhere_and_be_called_anything(tmp_path):
    draft = tmp_path / "Draft 1.toml"
    draft.write_text(OWN, encoding="utf-8")
    assert model_of(str(draft)).name == "hills-d1"
    draft.write_text(OWN + "x = 1\n", encoding="utf-8")
    with pytest.raises(ModelsNotUsable, match=r"Draft 1.toml:4: x: is not a known key"):
        model_of(str(draft))
    with pytest.raises(ModelsNotUsable, match="no meter model is named 'nobody'"):
        model_of("nobody")
