"""Pages as HTML, sample pictures, and the copy for a host without a server."""

import json
import re
from html import unescape
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from yoto.apps.style.page import Style, style_network
from yoto.apps.vae import page as vae_page
from yoto.apps.vae.page import Autoencoders, examples, strip
from yoto.errors import YotoError
from yoto.web import documents, site, static_copy, uploads
from yoto.web.copy_folder import CopyFolder, parsed
from yoto.web.errors import GoneError
from yoto.web.pages import all_pages

PAGES = all_pages()
ALL = tuple(PAGES)


class References(HTMLParser):
    """What a page refers to, and its policies."""

    def __init__(self, text):
        super().__init__()
        self.found, self.policies = [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        self.found += [given[name] for name in ("href", "src") if given.get(name)]
        if given.get("http-equiv") == "Content-Security-Policy":
            self.policies.append(given["content"])


def vendor(folder):
    for name in (*static_copy.RUNTIME, static_copy.LICENCE):
        (folder / name).write_bytes(name.encode())
    return folder


def tiny():
    """An ONNX model that hands through what it gets."""
    onnx = pytest.importorskip("onnx")
    kind = onnx.TensorProto.FLOAT
    ends = [onnx.helper.make_tensor_value_info(name, kind, ["n"]) for name in ("x", "y")]
    node = onnx.helper.make_node("Identity", ["x"], ["y"])
    graph = onnx.helper.make_graph([node], "tiny", ends[:1], ends[1:])
    return onnx.helper.make_model(graph).SerializeToString()


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    """A copy whose run time and VAE networks are stand-ins."""
    pytest.importorskip("onnxscript")
    data = tiny()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(static_copy, "VENDOR", vendor(tmp_path_factory.mktemp("vendor")))
        patch.setattr(vae_page, "vae_networks", lambda *_: dict.fromkeys(vae_page.METHODS, data))
        return static_copy.write_copy(tmp_path_factory.mktemp("site") / "copy")


def read(copy, name):
    return json.loads((copy.folder / name).read_text("utf-8"))


@pytest.mark.parametrize("name", ALL)
def test_a_page_names_itself_and_links_the_others(name):
    html = site.page(name, PAGES)
    assert f'data-mode="server" data-page="{name}"' in html
    assert f'src="js/{name}.js"' in html
    assert re.search(f'href="{name}.html" data-opens="[^"]*" aria-current=page', html)
    assert all(f'href="{other}.html"' in html for other in ALL)
    assert not re.search(r"<!--|\{\{", html)
    assert References(html).policies == []


def test_a_static_page_states_its_policy_and_links_what_there_is():
    html = site.page("vae", {name: page for name, page in PAGES.items() if page.alone}, mode="static")
    assert 'data-mode="static"' in html
    assert "compression" not in html
    (policy,) = References(html).policies
    assert policy == site.POLICY
    assert "frame-ancestors" not in policy
    assert "'wasm-unsafe-eval'" in policy
    assert html.index("Content-Security-Policy") < html.index("<script")


def test_samples_have_sources_and_thumbnails():
    found = site.samples()
    assert len(found) == len(uploads.samples()) > 0
    for entry in found:
        assert set(entry) == {"id", "name", "file", "url", "licence", "source"}
        name = entry["id"].removeprefix(uploads.SAMPLE)
        assert site.sample_thumbnail(name).startswith(b"\xff\xd8")
    with pytest.raises(GoneError, match="no such sample"):
        site.sample_thumbnail("../SOURCES")


def test_a_copy_is_refused_without_the_run_time(tmp_path, monkeypatch):
    monkeypatch.setattr(static_copy, "VENDOR", tmp_path / "none")
    with pytest.raises(YotoError, match=r"should hold ort\.wasm\.min\.mjs.* Found no such file\. Run make web"):
        static_copy.write_copy(tmp_path / "copy")
    assert not (tmp_path / "copy").exists()


def test_a_copy_is_refused_without_onnx(tmp_path, monkeypatch):
    monkeypatch.setattr(static_copy, "VENDOR", vendor(tmp_path))
    monkeypatch.setattr("yoto.support.extras.find_spec", lambda name: None)
    with pytest.raises(YotoError, match=r"needs onnx and onnxscript\. Found none\. .*\.\[onnx\]"):
        static_copy.write_copy(tmp_path / "copy")


def test_a_copy_lists_its_files(copy):
    files = {path.relative_to(copy.folder).as_posix() for path in copy.folder.rglob("*") if path.is_file()}
    assert set(copy.names) == files
    assert len(copy.names) == len(files)
    assert copy.size == sum((copy.folder / name).stat().st_size for name in files)


def test_everything_that_a_copy_refers_to_is_there(copy):
    for name in copy.names:
        path, references = copy.folder / name, []
        text = path.read_text("utf-8") if path.suffix in (".html", ".js", ".css") else ""
        if path.suffix == ".html":
            references = [r for r in References(text).found if not r.startswith("#")]
        elif path.suffix == ".css":
            references = re.findall(r"url\([\"']?([^)\"']+)", text)
        elif path.suffix == ".js":
            references = re.findall(r"""(?:from |import\()"([^"]+)"|new URL\("([^"]+)", import\.meta\.url\)""", text)
            references = [first or second for first, second in references]
            references += [f"../{r}" for r in re.findall(r'fetch\("([^"]+)"', text) if r.split("/")[-1] != "model.json"]
        for reference in references:
            if reference != documents.PAPER:
                assert not re.match(r"/|\w+:", reference), (name, reference)
                assert (path.parent / reference.partition("#")[0]).exists(), (name, reference)
        others = text.replace("http://www.w3.org/2000/svg", "").replace(documents.PAPER, "")
        assert not re.search(r"https?://", others), name


def test_the_facts_of_a_copy_are_those_of_the_server(copy):
    page = Style()
    found = read(copy, "api/style.json")
    network = found.pop("network")
    assert found == json.loads(json.dumps(page.info()))
    assert network["outputs"] == ["painted", "used"]
    assert network["channels"] > 0
    assert {*network["fixed"], *page.bank.space.parameters} >= {"content", "style"}
    here = [{name: entry[name] for name in ("id", "name", "licence", "source")} for entry in site.samples()]
    assert [{name: entry[name] for name in here[0]} for entry in read(copy, "api/samples.json")] == here

    autoencoders = Autoencoders()
    found = read(copy, "api/vae.json")
    wanted = json.loads(json.dumps(autoencoders.info()))
    for model, facts in zip(found["models"], wanted["models"], strict=True):
        assert {name: model[name] for name in facts} == facts
        space = autoencoders.headers[facts["model"]].space
        assert model["columns"] == list(space.names)
        assert [*model["fixed"], "kl"] == list(space.names)
    assert {**found, "models": None} == {**wanted, "models": None}


def test_the_pictures_and_networks_that_the_facts_name_are_there(copy):
    style = read(copy, "api/style.json")
    assert (copy.folder / style["network"]["file"]).read_bytes() == Style().bank.network().read_bytes()
    for each in style["styles"]:
        assert (copy.folder / f"api/styles/{each['name']}.jpg").is_file()
    for each in read(copy, "api/samples.json"):
        name = each["id"].removeprefix(uploads.SAMPLE)
        assert (copy.folder / f"api/samples/{name}.jpg").is_file()
        assert each["file"] == f"{name}.jpg"
        assert (copy.folder / each["url"]).is_file()
        with Image.open(copy.folder / f"api/pictures/{each['id']}.jpg") as picture:
            assert picture.size == uploads.sample(name).pixels.shape[1::-1]
    for model in read(copy, "api/vae.json")["models"]:
        assert all((copy.folder / model["networks"][method]["file"]).is_file() for method in ("encode", "decode"))


def test_the_examples_of_a_copy_are_those_of_the_server(copy):
    page = Autoencoders()
    for model in read(copy, "api/vae.json")["models"]:
        with Image.open(copy.folder / model["examples"]) as image:
            found = np.asarray(image.convert("RGB"))
        assert (found == strip(examples(page.ready(model["model"]).task))).all()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["vae/fashion-mnist", "vae/shapes"])
def test_exported_vaes_agree_with_torch(name):
    import torch

    pytest.importorskip("onnxscript")
    runtime = pytest.importorskip("onnxruntime")
    loaded = Autoencoders().ready(name)
    task, model = loaded.task, loaded.bundle.conditional
    networks = vae_page.vae_networks(model, task)
    sessions = {method: runtime.InferenceSession(data) for method, data in networks.items()}
    for beta, count in ((0.5, 1), (7.0, 12), (64.0, 5)):
        net = model.bake(kl=beta)
        lam = model.space.point(kl=beta).expand(count, -1).numpy()
        images, z = loaded.examples[:count], torch.randn(count, task.options.latents)
        with torch.no_grad():
            mean, sigma = net.encode(task.likelihood.scaled(images))
            parameters = net.decode(z)
        found = sessions["encode"].run(None, {"x": task.likelihood.scaled(images).numpy(), "lambda": lam})
        for value, wanted in zip(found, (mean, sigma), strict=True):
            torch.testing.assert_close(torch.from_numpy(value), wanted, rtol=1e-3, atol=1e-3)
        (decoded,) = sessions["decode"].run(None, {"z": z.numpy(), "lambda": lam})
        apart = (task.likelihood.expected(torch.from_numpy(decoded)) - task.likelihood.expected(parameters)).abs().max()
        assert apart < 0.5 / 255


@pytest.mark.slow
def test_a_new_network_is_written_where_the_one_beside_the_model_is_of_another(monkeypatch, tmp_path):
    pytest.importorskip("onnxscript")
    page = Style()
    monkeypatch.setattr(type(page.bank), "network", lambda self: None)
    graph = parsed(style_network(page))
    assert "bundle" in [p.key for p in graph.metadata_props]


def test_the_command_says_what_it_wrote(tmp_path, monkeypatch, capsys):
    from yoto.cli import demo

    written = CopyFolder(tmp_path / "copy")
    written.put("index.html", "x" * 1_500_000)
    monkeypatch.setattr(static_copy, "write_copy", lambda folder: written)
    demo.demo(static=Path(tmp_path / "a b"))
    said = capsys.readouterr().err
    assert "1 files, 1.5 MB" in said
    assert f"-m http.server --bind 127.0.0.1 --directory '{tmp_path / 'a b'}'" in said


def test_the_loop_on_the_start_page_runs():
    import torch
    from torch import nn

    page = (Path(site.__file__).parent / "static" / "start.html").read_text("utf-8")
    code = unescape(re.search(r"<pre[^>]*><code>(.*?)</code></pre>", page, re.DOTALL)[1])
    net = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 4))
    found = {
        "net": net, "loader": [torch.randn(6, 4), torch.randn(3, 4)],
        "nll": lambda y, x: (y - x).square().sum(1), "kl": lambda bound, x: bound(x).square().mean(1),
    }  # fmt: skip
    exec(compile(code, "start.html", "exec"), found)
    assert len(found["optimiser"].state) > 4  # of parameters that were stepped
    assert [p.shape for p in found["plain"].parameters()] == [p.shape for p in net.parameters()]
