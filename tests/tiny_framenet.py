"""A tiny FrameNet, written by us in FrameNet's files: two frames, two lexical units, and sentences to choose from."""

import re

NAMESPACE = 'xmlns="http://framenet.icsi.berkeley.edu"'
FRAMES = {  # name: elements with their type, then the core set
    "Sleeping": ({"Sleeper": "Core"}, []),
    "Telling": ({"Speaker": "Core", "Message": "Core", "Medium": "Core", "Time": "Peripheral"}, ["Speaker", "Medium"]),
}
UNITS = {31: ("tell.v", "Telling"), 7: ("nap.v", "Sleeping")}
# An element is [Name:words], a target *word*; which readings keep a sentence was found by hand.
NAPS = {
    "[Sleeper:He] did not even *nap* .": "paper",  # a frame without core sets
    "[Sleeper:He] *napped* .": "",
}
TALES = {
    "[Speaker:She] did not quite *tell* .": "paper released",
    "[Speaker:She] then *told* them .": "paper",  # two apart
    "[Message:That story] , she said , was *told* .": "paper",  # Core, but in no core set
    "[Speaker:She] has at last *told* [Message:it] .": "",  # a core element next to the target
    "[Speaker:She] has at last *told* [Time:now] .": "paper",  # another element next to it
    "[Speaker:The very old man] has at last *told* .": "",
    "[Speaker:She] had never *told* [Time:in all those years] .": "",
    "[Speaker:He] told me that he never *told* .": "paper",  # the first "told" counts as the target, he is next to it
    "We told them all and [Speaker:Ann] *told* us .": "released",  # the same, and Ann seems far from it
    "[Speaker:Ann] , [Speaker:who] has not yet *told* .": "paper released",
    "[Speaker:She] has not *told* it all *again* .": "",  # a target in two parts
    "One two three four five six [Speaker:she] has not yet *told* .": "paper released",
    "One two three four five six seven [Speaker:she] has not yet *told* .": "",
    "One two three four five six seven [Speaker:she] has not yet *told*.": "",  # 12 with spaces between, 13 tokens
    "[Speaker:She] did n't say un*told* things .": "paper",  # a part of a word
    "Nobody has told *it* .": "",  # no element
    "She has told it .": "",  # not annotated
}


def marked(text):
    """Return a text without its marks, the spans of its targets, and its elements with their spans."""
    plain, targets, elements = "", [], []
    for name, element, target, other in re.findall(r"\[(\w+):([^]]*)\]|\*(\w+)\*|([^[*]+)", text):
        start, plain = len(plain), plain + (element or target or other)
        if target:
            targets.append((start, len(plain)))
        elif element:
            elements.append((name, (start, len(plain))))
    return plain, targets, elements


def annotation(text):
    _, targets, elements = marked(text)
    labels = {"Target": [("Target", span) for span in targets], "FE": elements}
    layers = "".join(
        f'<layer rank="1" name="{layer}">'
        + "".join(f'<label name="{name}" start="{start}" end="{end - 1}"/>' for name, (start, end) in found)
        + ('<label name="Medium" itype="INI"/>' if layer == "FE" else "")
        + "</layer>"
        for layer, found in labels.items()
    )
    second = '<layer rank="2" name="FE"><label name="Medium" start="0" end="0"/></layer>'
    return f'<annotationSet status="MANUAL" ID="5">{layers}{second}</annotationSet>' if targets else ""


def sentence(number, *texts):
    plain = marked(texts[0])[0].replace('"', "&quot;")
    part_of_speech = '<annotationSet status="UNANN" ID="4"><layer rank="1" name="BNC"/></annotationSet>'
    annotations = "".join(annotation(text) for text in texts)
    return f'<sentence sentNo="0" ID="{number}">\n<text>{plain} </text>{part_of_speech}{annotations}</sentence>'


def write(root, sentences):
    """Write a FrameNet with these sentences of each lexical unit, as XML, and return its directory."""

    def put(name, content):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.parent.chmod(0o755)  # NLTK reads nothing that others may write
        path.write_text(f'<?xml version="1.0" encoding="UTF-8"?>\n{content}\n', encoding="utf-8")
        path.chmod(0o644)

    numbers = {name: number for number, name in enumerate(FRAMES, 1)}
    units = "".join(
        f'<lu hasAnnotation="true" frameID="{numbers[frame]}" frameName="{frame}" status="Created" name="{name}" '
        f'ID="{unit}"/>'
        for unit, (name, frame) in UNITS.items()
    )
    put("luIndex.xml", f"<luIndex {NAMESPACE}>{units}</luIndex>")
    listed = "".join(f'<frame ID="{number}" name="{name}"/>' for name, number in numbers.items())
    put("frameIndex.xml", f"<frameIndex {NAMESPACE}>{listed}</frameIndex>")
    put("frRelation.xml", f"<frameRelations {NAMESPACE}/>")
    put("semTypes.xml", f"<semTypes {NAMESPACE}/>")
    for frame, (elements, core_set) in FRAMES.items():
        listed = "".join(f'<FE coreType="{kind}" name="{name}" ID="9"/>' for name, kind in elements.items())
        members = "".join(f'<memberFE name="{name}" ID="9"/>' for name in core_set)
        core = f"<FEcoreSet>{members}</FEcoreSet>" if core_set else ""
        own = "".join(
            f'<lexUnit status="Created" POS="V" name="{name}" ID="{unit}"/>'
            for unit, (name, at) in UNITS.items()
            if at == frame
        )
        put(
            f"frame/{frame}.xml", f'<frame name="{frame}" ID="{numbers[frame]}" {NAMESPACE}>{listed}{core}{own}</frame>'
        )
    for unit, (name, frame) in UNITS.items():
        content = f'<subCorpus name="all">{"".join(sentences.get(unit, []))}</subCorpus>'
        put(f"lu/lu{unit}.xml", f'<lexUnit name="{name}" ID="{unit}" frame="{frame}" {NAMESPACE}>{content}</lexUnit>')
    return root


def corpus(naps=NAPS, tales=TALES):
    return {
        7: [sentence(100 + number, text) for number, text in enumerate(naps)],
        31: [sentence(200 + number, text) for number, text in enumerate(tales)],
    }
