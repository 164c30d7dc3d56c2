from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from edge_runtime.errors import BundleError
from edge_runtime.inference.chat_template import PLAIN, ChatTemplate

if TYPE_CHECKING:
    from pathlib import Path

CHATML = (
    "{% for message in messages %}"
    "{{'<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n'}}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
LLAMA3 = (
    "{% set loop_messages = messages %}{% for message in loop_messages %}"
    "{% set content = '<|start_header_id|>' + message['role'] + '<|end_header_id|>\n\n'+ message['content'] | trim + "
    "'<|eot_id|>' %}{% if loop.index0 == 0 %}{% set content = bos_token + content %}{% endif %}{{ content }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|start_header_id|>assistant<|end_header_id|>\n\n' }}{% endif %}"
)
GEMMA = (
    "{{ bos_token }}{% if messages[0]['role'] == 'system' %}{{ raise_exception('System role not supported') }}"
    "{% endif %}{% for message in messages %}{% if (message['role'] == 'assistant') %}{% set role = 'model' %}"
    "{% else %}{% set role = message['role'] %}{% endif %}{{ '<start_of_turn>' + role + '\n' + "
    "message['content'] | trim + '<end_of_turn>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{'<start_of_turn>model\n'}}{% endif %}"
)
TALK = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": " Hi "}]
SPECIAL = {"bos_token": "<s>"}
DOUBLING = (
    "{{% set ns = namespace(x={start}) %}}{{% for i in range(64) %}}"
    "{{% set ns.x = {more} %}}{{% endfor %}}{{{{ ns.x }}}}"
)


@pytest.mark.parametrize(
    ("source", "prompt"),
    [
        pytest.param(
            CHATML,
            "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\n Hi <|im_end|>\n<|im_start|>assistant\n",
            id="ChatML",
        ),
        pytest.param(
            LLAMA3,
            "<s><|start_header_id|>system<|end_header_id|>\n\nBe brief.<|eot_id|>"
            "<|start_header_id|>user<|end_header_id|>\n\nHi<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n",
            id="Llama 3",
        ),
        pytest.param(
            GEMMA,
            "<s><start_of_turn>user\nBe brief.\n\n Hi<end_of_turn>\n<start_of_turn>model\n",
            id="a system message that is refused goes before the first of the user",
        ),
        pytest.param(PLAIN, "Be brief.\n\nQuestion:  Hi \nAnswer:", id="none of its own"),
        pytest.param("{{ messages | tojson }}", '[{"role": "system", "content": "Be brief."}, ', id="JSON"),
        pytest.param("{% generation %}a{% endgeneration %}", "a", id="marks of trainers say nothing"),
        pytest.param("{{ 'a' ~ 1 ~ [2] ~ none ~ nothing }}", "a1[2]None", id="all kinds joined"),
        pytest.param("{% for i in [1, 2] %}{% if i == 2 %}{% break %}{% endif %}{{ i }}{% endfor %}", "1", id="breaks"),
        pytest.param("{{ 'a,b'.split(',')[1].upper() ~ '-'.join(['x', 'y']) }}", "Bx-y", id="methods of texts"),
        pytest.param("{% for i in [1] %}{{ 'aa'.replace('a', 'b') }}{% endfor %}", "bb", id="in loops, too"),
        pytest.param("{% set step, environment = 1, 2 %}{% for i in [1] %}{{ step }}{% endfor %}", "1", id="any names"),
    ],
)  # fmt: skip
def test_a_conversation_becomes_a_prompt(source: str, prompt: str) -> None:
    assert ChatTemplate(source, SPECIAL).render(TALK).startswith(prompt)


@pytest.mark.parametrize(
    "source",
    [
        pytest.param("{{ ''.__class__.__mro__[1].__subclasses__() }}", id="classes of texts"),
        pytest.param("{{ messages.__class__ or 1/0 }}", id="classes of lists"),
        pytest.param("{{ raise_exception.__globals__['sys'] }}", id="globals of functions"),
        pytest.param("{{ ''|attr('__class__') }}", id="attributes by filter"),
        pytest.param("{{ cycler.__init__.__globals__ }}", id="globals of helpers"),
        pytest.param("{% include '/etc/passwd' %}", id="files"),
        pytest.param("{% import 'os' as os %}{{ os }}", id="modules"),
        pytest.param("{{ messages.append(1) }}", id="changing what is given"),
        pytest.param("{{ '{0.__class__}'.format(1) }}", id="attributes by format"),
        pytest.param("{{ environment.filters }}", id="the environment"),
    ],
)
def test_nothing_gets_out_of_the_sandbox(source: str) -> None:
    with pytest.raises(BundleError, match="chat template"):
        ChatTemplate(source, {}).render(TALK)


@pytest.mark.parametrize(
    "source",
    [
        pytest.param("{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}", id="loops"),
        pytest.param("{% macro f() %}{{ f() }}{{ f() }}{% endmacro %}{{ f() }}", id="macros that call themselves"),
        pytest.param("{{ 'x' * 999999999 }}", id="a text times a number"),
        pytest.param("{{ 9 ** 9 ** 9 }}", id="powers"),
        pytest.param("{{ '%999999999d' % 1 }}", id="wide numbers"),
        pytest.param("{{ '{:999999999}'.format(1) }}", id="wide formats"),
        pytest.param("{{ 'x'.ljust(999999999) }}", id="wide texts"),
        pytest.param("{{ 'x' | center(999999999) }}", id="wide filters"),
        pytest.param("{{ messages | tojson(indent=999999999) }}", id="wide indents"),
        pytest.param("{{ lipsum(999999) }}", id="sample texts"),
        pytest.param(DOUBLING.format(start="'xx'", more="ns.x ~ ns.x"), id="doubled by joining"),
        pytest.param(DOUBLING.format(start="'xx'", more="ns.x + ns.x"), id="doubled by adding"),
        pytest.param(DOUBLING.format(start="'xx'", more="[ns.x, ns.x] | join"), id="doubled by a filter"),
        pytest.param(DOUBLING.format(start="'xx'", more="''.join([ns.x, ns.x])"), id="doubled by a method"),
        pytest.param(DOUBLING.format(start="'xx'", more="ns.x | replace('x', 'xx')"), id="doubled by replacing"),
        pytest.param(DOUBLING.format(start="'xx'", more="ns.x.replace('x', 'xx')"), id="doubled in a method"),
        pytest.param(DOUBLING.format(start="[1]", more="ns.x + ns.x"), id="doubled lists"),
        pytest.param(DOUBLING.format(start="[1]", more="[ns.x, ns.x]"), id="lists of the same lists"),
        pytest.param(DOUBLING.format(start="9", more="ns.x * ns.x"), id="numbers without end"),
        pytest.param("{{ 'x' }}" * 40_000, id="a template of megabytes"),
    ],
)  # fmt: skip
def test_nothing_takes_long_or_grows_without_end(source: str) -> None:
    started = time.monotonic()
    with pytest.raises(BundleError, match="chat template"):
        ChatTemplate(source, {}).render(TALK)
    # Unbounded, each of these would take minutes or all of the memory.
    assert time.monotonic() - started < 60


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        pytest.param("{% if %}", "is no template", id="not a template"),
        pytest.param("{% break %}", "is no template", id="not even Python"),
        pytest.param("{{ 1 / 0 }}", "fails", id="no number"),
        pytest.param("{{ raise_exception('roles must alternate') }}", "roles must alternate", id="its own reason"),
    ],
)
def test_what_goes_wrong_is_told_in_one_line(source: str, reason: str) -> None:
    with pytest.raises(BundleError, match=reason) as caught:
        ChatTemplate(source, {}).render(TALK)
    assert "\n" not in str(caught.value)


def test_a_template_that_is_gone_is_told(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="missing or no text"):
        ChatTemplate.read(tmp_path / "chat_template.jinja", {})
