"""Faults by name: what ``--scene NAME[:parameter=value]...`` does to a town, in one table."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from meterlab import distortions, push_scenes, scene_faults, scene_fleet, scene_supply, scene_theft
from meterlab.scene_stage import Parameters, Stage


class UnknownScene(Exception):
    """A ``--scene`` that cannot be played. ``text`` as given, ``reason`` one sentence."""

    def __init__(self, text: str, reason: str) -> None:
        super().__init__(f"scene {text!r}: {reason}")
        self.text = text
        self.reason = reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """What can be asked for. ``defaults`` names every parameter and what it is when not given."""

    name: str
    tells: str
    tells_hi: str
    defaults: Parameters
    play: Callable[[Stage, Parameters], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class SceneCall:
    """One ``--scene``: a scene and its parameters, defaults filled in."""

    scene: Scene
    parameters: Parameters


def parse(text: str) -> SceneCall:
    """Read ``NAME[:parameter=value]...``. Raises UnknownScene."""
    name, *given = text.split(":")
    scene = SCENES.get(name)
    if scene is None:
        raise UnknownScene(text, f"there is no scene {name!r}; `meterlab scenes` lists them")
    parameters = dict(scene.defaults)
    for part in given:
        key, equals, value = part.partition("=")
        if not equals or key not in parameters:
            known = ", ".join(parameters) or "none"
            raise UnknownScene(text, f"{part!r} is no parameter of it (known: {known})")
        parameters[key] = value
    return SceneCall(scene=scene, parameters=parameters)


def play(call: SceneCall, stage: Stage) -> None:
    """Let a scene do what it does. Raises UnknownScene for a value that means nothing in this town."""
    try:
        call.scene.play(stage, call.parameters)
    except ValueError as fault:
        raise UnknownScene(call.scene.name, str(fault)) from None


def _scene(
    name: str, tells: str, tells_hi: str, play_it: Callable[[Stage, Parameters], None], **defaults: str
) -> Scene:
    return Scene(name=name, tells=tells, tells_hi=tells_hi, defaults=defaults, play=play_it)


_ALL = (
    _scene(
        "quiet-day",
        "Nothing goes wrong: every meter in reach, every clock right.",
        "कुछ गड़बड़ नहीं: हर मीटर पहुँच में, हर घड़ी सही।",
        scene_supply.quiet_day,
    ),
    _scene(
        "overload",
        "A hot night: homes draw a quarter more from 21:00 to 02:00, as far as the voltage lets them.",
        "गर्म रात: 21:00 से 02:00 तक घर चौथाई अधिक भार लेते हैं, जहाँ तक वोल्टेज साथ दे।",
        scene_supply.overload,
        day="0",
        hour="21",
        hours="5",
        more="0.25",
        transformer="all",
    ),
    _scene(
        "area-shed",
        "Half a feeder is shed and comes back transformer by transformer, with the load that waited (1.6 times).",
        "आधे फीडर की बिजली रोकी जाती है और ट्रांसफार्मर-दर-ट्रांसफार्मर लौटती है, रुके हुए भार (1.6 गुना) के साथ।",
        scene_supply.area_shed,
        feeder="0",
        after="60",
        minutes="45",
        part="0.5",
        stagger="2",
    ),
    _scene(
        "feeder-trip",
        "A feeder trips: last gasps come in a storm (with --push), supply returns with the load that waited.",
        "फीडर ट्रिप: आख़िरी संदेशों की बाढ़ (--push के साथ), बिजली रुके हुए भार के साथ लौटती है।",
        scene_supply.feeder_trip,
        feeder="0",
        after="10",
        minutes="35",
    ),
    _scene(
        "tower-outage",
        "A tower is silent for three hours, and all its meters with it.",
        "एक टावर तीन घंटे चुप, और उसके सारे मीटर भी।",
        scene_fleet.tower_outage,
        tower="0",
        day="0",
        hour="next",
        hours="3",
    ),
    _scene(
        "burnt-transformer",
        "A transformer carries nearly twice its load for three hours, burns, and is dark for 30 hours.",
        "एक ट्रांसफार्मर तीन घंटे लगभग दुगना भार उठाता है, जल जाता है, और 30 घंटे अँधेरा।",
        scene_supply.burnt_transformer,
        transformer="0",
        day="0",
        hour="23",
        hours="30",
    ),
    _scene(
        "theft-ring",
        "A third of one transformer's homes steal: hook, bypass, neutral, magnet, shunt, opened cover.",
        "एक ट्रांसफार्मर के एक-तिहाई घर चोरी करते हैं: कटिया, बाईपास, न्यूट्रल, चुंबक, शंट, खुला ढक्कन।",
        scene_theft.theft_ring,
        transformer="0",
        share="0.33",
        days="30",
    ),
    _scene(
        "theft",
        "Three homes in a hundred steal, and 15 in a hundred on one transformer in ten.",
        "सौ में तीन घर चोरी करते हैं, और दस में से एक ट्रांसफार्मर पर सौ में पंद्रह।",
        scene_theft.theft,
        share="0.03",
        days="30",
    ),
    _scene(
        "magnet-wave",
        "On one evening a share of a feeder's homes hold a magnet to the meter; some open its cover.",
        "एक शाम एक फीडर के कई घर मीटर पर चुंबक लगाते हैं; कुछ ढक्कन खोलते हैं।",
        scene_theft.magnet_wave,
        feeder="0",
        share="0.05",
        day="0",
        hour="21",
        hours="6",
    ),
    _scene(
        "mapping-errors",
        "The records name another transformer for a share of the homes (seen in the registry files).",
        "रिकॉर्ड में कुछ घर दूसरे ट्रांसफार्मर पर लिखे हैं (रजिस्ट्री की फ़ाइलों में दिखता है)।",
        scene_fleet.mapping_errors,
        share="0.15",
    ),
    _scene(
        "clock-reset",
        "A share of the clocks fell back to 2000-01-01 before the start.",
        "कुछ घड़ियाँ शुरुआत से पहले 2000-01-01 पर लौट गईं।",
        scene_fleet.clock_reset,
        share="0.01",
        hours_ago="6",
    ),
    _scene(
        "relay-replay",
        "Somebody records the commands to one meter's relay and sends the same octets again; it must refuse.",
        "कोई एक मीटर के रिले के आदेश रिकॉर्ड करके वही फिर भेजता है; मीटर को मना करना चाहिए।",
        scene_faults.relay_replay,
        meter="2",
        after="5",
    ),
    _scene(
        "meter-swap",
        "One home got another meter in mid-month: new serial number, same keys, registers from 7 Wh.",
        "महीने के बीच एक घर का मीटर बदला गया: नया क्रमांक, वही कुंजियाँ, रजिस्टर 7 Wh से।",
        scene_fleet.meter_swap,
        meter="3",
        day="-10",
        hour="11",
        start_wh="7",
        serial="ML00000001",
    ),
    _scene(
        "rollover",
        "One home's energy registers pass 999,999 kWh and start from 0.",
        "एक घर के ऊर्जा रजिस्टर 999,999 kWh पार कर 0 से शुरू होते हैं।",
        scene_fleet.rollover,
        meter="4",
        hours_ago="30",
    ),
    _scene(
        "batch-cut",
        "A thousand homes owe (defaulters.csv beside the registry): order their cut in the control room.",
        "हज़ार घरों पर बकाया (रजिस्ट्री के साथ defaulters.csv): काटने का आदेश नियंत्रण कक्ष से दें।",
        scene_fleet.batch_cut,
        count="1000",
        silent="0.02",
    ),
    _scene(
        "wrong-command",
        "Every relay would obey: try to cut everybody at once, in the control room. Nothing happens by itself.",
        "हर रिले मानेगा: नियंत्रण कक्ष में सबको एक साथ काटकर देखें। यहाँ अपने आप कुछ नहीं होता।",
        scene_fleet.wrong_command,
    ),
    _scene(
        "bad-meter",
        "60 % of the tries to reach one meter fail, and in one town hour in eight it never answers.",
        "एक मीटर तक 60 % कोशिशें विफल, और हर आठवें घंटे वह चुप रहता है।",
        scene_faults.bad_meter,
        meter="6",
        fails="0.6",
        silent="0.125",
    ),
    _scene(
        "bad-tower-hour",
        "All meters are out of reach for a town hour: the next whole one, or hour=0..23 of day=DATE or 0, 1, ...",
        "एक घंटे सारे मीटर पहुँच से बाहर: अगला पूरा घंटा, या day=DATE का hour=0..23।",
        scene_faults.bad_tower_hour,
        day="0",
        hour="next",
        hours="1",
    ),
    _scene(
        "drifting-clock",
        "One clock gains 45 seconds a day.",
        "एक घड़ी रोज़ 45 सेकंड आगे भागती है।",
        scene_faults.drifting_clock,
        meter="8",
        seconds="45",
    ),
    _scene(
        "hang",
        "One meter accepts the connection and never answers.",
        "एक मीटर कनेक्शन लेता है और कभी उत्तर नहीं देता।",
        scene_faults.hang,
        meter="2",
    ),
    _scene(
        "drip",
        "One meter sends an octet a second.",
        "एक मीटर हर सेकंड एक ऑक्टेट भेजता है।",
        scene_faults.drip,
        meter="2",
        seconds="1",
    ),
    _scene(
        "late",
        "One meter answers 45 seconds of the wall late.",
        "एक मीटर 45 सेकंड देर से उत्तर देता है।",
        scene_faults.late,
        meter="2",
        seconds="45",
    ),
    _scene(
        "reset-mid-block",
        "One meter tears the connection down instead of sending the second block of a long answer.",
        "एक मीटर लंबे उत्तर के दूसरे ब्लॉक की जगह कनेक्शन तोड़ देता है।",
        scene_faults.reset_mid_block,
        meter="2",
    ),
    _scene(
        "changed-serial",
        "One meter shows another serial number than the register of meters holds.",
        "एक मीटर रजिस्टर से अलग क्रमांक दिखाता है।",
        scene_faults.changed_serial,
        meter="2",
        serial="ML99999999",
    ),
    _scene(
        "year-2000",
        "One clock fell back to 2000-01-01 six hours before the start; blocks since then carry that time.",
        "एक घड़ी शुरुआत से छह घंटे पहले 2000-01-01 पर लौटी; तब से ब्लॉक वही समय ढोते हैं।",
        scene_faults.year_2000,
        meter="2",
        hours_ago="6",
    ),
    _scene(
        "short-rows",
        "Every third row of one meter's profiles lacks its last cell.",
        "एक मीटर के प्रोफ़ाइल की हर तीसरी पंक्ति में आख़िरी खाना नहीं।",
        scene_faults.distorted(distortions.short_rows),
        meter="2",
    ),
    _scene(
        "null-cells",
        "One meter sends null for the clock after the first row, and for every fifth other cell.",
        "एक मीटर पहली पंक्ति के बाद घड़ी और हर पाँचवाँ खाना खाली भेजता है।",
        scene_faults.distorted(distortions.null_cells),
        meter="2",
    ),
    _scene(
        "wrong-tags",
        "The last cell of every second row of one meter's profiles has a tag that no type has.",
        "एक मीटर की हर दूसरी पंक्ति के आख़िरी खाने का टैग किसी प्रकार का नहीं।",
        scene_faults.distorted(distortions.wrong_tags),
        meter="2",
    ),
    _scene(
        "oversized",
        "One meter answers every profile with 60,000 rows.",
        "एक मीटर हर प्रोफ़ाइल पर 60,000 पंक्तियाँ भेजता है।",
        scene_faults.distorted(distortions.oversized),
        meter="2",
    ),
    _scene(
        "replay",
        "One meter repeats an old ciphered answer as its third.",
        "एक मीटर पुराना कूट उत्तर तीसरी बार दोहराता है।",
        scene_faults.replay,
        meter="2",
    ),
    _scene(
        "missing-slots",
        "A power cut of the meter's transformer: rows are absent, events 101 and 102 tell why.",
        "मीटर के ट्रांसफार्मर की बिजली गई: पंक्तियाँ नहीं हैं, घटनाएँ 101 और 102 कारण बताती हैं।",
        scene_faults.missing_slots,
        meter="0",
        day="-1",
        hour="14",
        minutes="150",
    ),
    _scene(
        "last-gasp-storm",
        "A feeder loses supply: 70 % of its meters push a last gasp within 30 s (needs --push).",
        "एक फीडर की बिजली गई: 70 % मीटर 30 सेकंड में आख़िरी संदेश भेजते हैं (--push चाहिए)।",
        push_scenes.last_gasp_storm,
        feeder="0",
        after="10",
        minutes="35",
    ),
    _scene(
        "push-duplicates",
        "A share of all pushes comes twice.",
        "भेजे गए संदेशों का एक भाग दो बार आता है।",
        push_scenes.push_duplicates,
        share="0.5",
    ),
    _scene(
        "push-replay",
        "Somebody sends old pushes again; some meters use a counter twice.",
        "कोई पुराने संदेश फिर भेजता है; कुछ मीटर एक गिनती दो बार लगाते हैं।",
        push_scenes.push_replay,
        share="0.2",
        reused="0.02",
    ),
    _scene(
        "push-forged",
        "Somebody pushes in the meters' names.",
        "कोई मीटरों के नाम से संदेश भेजता है।",
        push_scenes.push_forged,
        share="0.2",
    ),
    _scene(
        "push-blocks",
        "Long pushes come in general blocks.",
        "लंबे संदेश सामान्य ब्लॉकों में आते हैं।",
        push_scenes.push_blocks,
        share="0.5",
        octets="128",
    ),
)

SCENES = {scene.name: scene for scene in _ALL}
"""Every scene by its name."""
