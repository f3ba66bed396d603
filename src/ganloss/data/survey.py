"""A look at a data set before training: what it is taken for, how large, and what is odd."""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from ganloss.data.cache import reason
from ganloss.data.decode import TINY, UNREADABLE, Header, read_upright
from ganloss.data.files import ImageFile, Source, list_images
from ganloss.data.images import FEWEST_IMAGES, MOST_UNREADABLE, default_size, read_headers
from ganloss.data.layouts import DOMAINS, Kind, classes_of, recognise, training_part

#: Images of which the pixels are read as well, evenly over the files.
MOST_READ = 2000
_LONG = 4.0


@dataclass(frozen=True)
class Oddity:
    """Something about the files a user may want to know.

    Args:
        what: in words, with the number of files.
        examples: names of some of them.
        stops: whether training would refuse the data because of it.

    >>> Oddity("2 files cannot be read", ("a.png", "b.png")).stops
    False
    """

    what: str
    examples: tuple[str, ...] = ()
    stops: bool = False


@dataclass(frozen=True)
class Survey:
    """What was found in a data source.

    Args:
        source: its files.
        kind: the layout it is taken for.
        counts: images in each part: classes, domains, splits; or all of them.
        sizes: how often each width and height occurs, the most frequent first.
        formats: how often each kind of pixels occurs.
        oddities: the most serious first.
        image_size: the default of ``--image-size``.
        pairs: images with a partner of the same name in the other domain.

    >>> few = Oddity("only 3 images", stops=True)
    >>> Survey(Source(Path("x"), (), {}), "flat", {}, {}, {}, (few,), image_size=32).trainable
    False
    """

    source: Source
    kind: Kind
    counts: dict[str, int]
    sizes: dict[tuple[int, int], int]
    formats: dict[str, int]
    oddities: tuple[Oddity, ...]
    image_size: int
    pairs: int = 0

    @property
    def trainable(self) -> bool:
        """Whether training would accept the data."""
        return not any(oddity.stops for oddity in self.oddities)


def survey(path: Path, largest: int = 64, workers: int = 4) -> Survey:
    """Look at every file of a folder or zip.

    Raises:
        DataError: nothing usable is there.

    >>> from tempfile import TemporaryDirectory
    >>> from PIL import Image
    >>> with TemporaryDirectory() as folder:
    ...     for i in range(20):
    ...         Image.new("RGB", (40, 48), (i, 0, 0)).save(Path(folder) / f"{i}.png")
    ...     found = survey(Path(folder))
    >>> found.kind, found.sizes, found.image_size
    ('flat', {(40, 48): 20}, 32)
    """
    source = list_images(path)
    headers = read_headers(source.files, workers)
    kind = recognise(source, headers)
    readable = [header for header in headers if isinstance(header, Header)]
    pairs, unpaired = _partners(source) if kind == "domains" else (0, [])
    oddities = [
        *_few(source, kind),
        *_unreadable(source, headers, workers),
        *unpaired,
        *_shapes(source, headers, kind),
        *_duplicates(source),
    ]
    return Survey(
        source=source,
        kind=kind,
        counts=_counts(source, kind),
        sizes=dict(Counter((h.width, h.height) for h in readable).most_common()),
        formats=dict(Counter(_format(h) for h in readable).most_common()),
        oddities=tuple(sorted(oddities, key=lambda oddity: not oddity.stops)),
        image_size=_image_size(source, headers, kind, largest),
        pairs=pairs,
    )


def _image_size(source: Source, headers: Sequence[Header | str], kind: Kind, largest: int) -> int:
    """Default size of the images that are trained on."""
    trained = _trained_on(source, kind)
    pairs = zip(source.files, headers, strict=True)
    found = [h for file, h in pairs if isinstance(h, Header) and file.name.startswith(trained)]
    return default_size(found, largest)


def _trained_on(source: Source, kind: Kind) -> tuple[str, ...]:
    """How the names of the files begin that are trained on."""
    if kind == "domains":
        return tuple(f"{domain}/" for domain in DOMAINS)
    return ("",) if training_part(source) is source else ("train/",)


def _counts(source: Source, kind: Kind) -> dict[str, int]:
    if kind == "domains":
        return {name: len(source.below(name).files) for name in source.top_folders}
    if kind == "classes":
        classes = classes_of(training_part(source))
        by_number = Counter(classes.labels)
        return {name: by_number[i] for i, name in enumerate(classes.names)}
    if training_part(source) is not source:
        return {name: len(source.below(name).files) for name in source.top_folders}
    return {"images": len(source.files)}


def _format(header: Header) -> str:
    words = {
        "1": "black and white",
        "F": "floating-point gray",
        "LA": "gray with transparency",
        "P": "palette",
        "PA": "palette with transparency",
        "RGB": "colour",
        "RGBA": "colour with transparency",
        "CMYK": "CMYK",
    }
    word = words.get(header.mode, "gray" if header.gray else header.mode)
    return f"{header.bits}-bit {word}" if header.deep and header.mode != "F" else word


def _few(source: Source, kind: Kind) -> list[Oddity]:
    domains = [source.below(domain) for domain in DOMAINS]
    parts = domains if kind == "domains" else [training_part(source)]
    count = min(len(part.files) for part in parts)
    if count < FEWEST_IMAGES:
        return [Oddity(f"{_images(count)} too few; at least {FEWEST_IMAGES} are needed", (), True)]
    if count < 200:
        return [Oddity(f"{_images(count)} few: a generator will memorise them")]
    return []


def _unreadable(source: Source, headers: Sequence[Header | str], workers: int) -> list[Oddity]:
    bad = {f.name: h for f, h in zip(source.files, headers, strict=True) if isinstance(h, str)}
    every = -(-len(source.files) // MOST_READ)
    sound = [file for file in source.files[::every] if file.name not in bad]
    with ThreadPoolExecutor(workers) as pool:
        failures = pool.map(_failure, sound)
        bad |= {file.name: text for file, text in zip(sound, failures, strict=True) if text}
    if not bad:
        return []
    examples = tuple(f"{name}: {text}" for name, text in list(bad.items())[:5])
    stops = len(bad) > MOST_UNREADABLE * len(source.files)
    one = len(bad) == 1
    then = f"stop{'s' * one} training" if stops else f"{'is' if one else 'are'} skipped"
    what = f"{len(bad)} file{'s' * (not one)} cannot be read and {then}"
    return [Oddity(what, examples, stops)]


def _failure(file: ImageFile) -> str:
    try:
        read_upright(file)
    except UNREADABLE as error:
        return reason(error)
    return ""


def _shapes(source: Source, headers: Sequence[Header | str], kind: Kind) -> list[Oddity]:
    pairs = zip(source.files, headers, strict=True)
    found = [(file.name, header) for file, header in pairs if isinstance(header, Header)]
    sides = {name: sorted((h.width, h.height)) for name, h in found}
    grays = [name for name, h in found if h.gray]
    mixed = kind != "domains" and len(grays) < len(found)  # domains may differ
    groups = {
        f"smaller than {TINY} px, and will be enlarged": [name for name, h in found if h.tiny],
        f"over {_LONG:.0f} times as long as wide": [
            name for name, (a, b) in sides.items() if b > _LONG * a
        ],
        "transparent in places, which will be white": [name for name, h in found if h.transparent],
        "gray among colour ones, and will be colour": grays if mixed else [],
    }
    return [
        Oddity(f"{_images(len(names))} {what}", tuple(names[:3]))
        for what, names in groups.items()
        if names
    ]


def _images(count: int) -> str:
    return "1 image is" if count == 1 else f"{count} images are"


def _duplicates(source: Source) -> list[Oddity]:
    """Files of the same bytes; only those of the same length are read."""
    by_length: dict[int, list[ImageFile]] = defaultdict(list)
    for file in source.files:
        by_length[file.stamp[1]].append(file)
    seen: dict[str, str] = {}
    copies: list[str] = []
    for files in by_length.values():
        for file in files if len(files) > 1 else ():
            digest = _digest(file)
            if digest in seen:
                copies.append(f"{file.name} = {seen[digest]}")
            seen.setdefault(digest, file.name)
    if not copies:
        return []
    one = len(copies) == 1
    what = "1 file is a copy of another" if one else f"{len(copies)} files are copies of others"
    return [Oddity(what, tuple(copies[:3]))]


def _digest(file: ImageFile) -> str:
    try:
        with file.open() as stream:
            return hashlib.blake2b(stream.read(), digest_size=16).hexdigest()
    except OSError:
        return file.name  # unreadable, and said so elsewhere


def _partners(source: Source) -> tuple[int, list[Oddity]]:
    first, second = (source.below(domain) for domain in DOMAINS)
    a, b = ({file.stem for file in side.files} for side in (first, second))
    alone = sorted(a ^ b)
    both = len(a & b)
    if both == 0 or not alone:
        return both, []
    domains = " and ".join(DOMAINS)
    one = len(alone) == 1
    some = f"1 image of {domains} has" if one else f"{len(alone)} images of {domains} have"
    what = f"{some} no partner of the same name"
    return both, [Oddity(what, tuple(alone[:3]))]
