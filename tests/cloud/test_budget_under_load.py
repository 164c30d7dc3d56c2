"""A hundred askers and a slow provider never spend more than the cap, and what is spent survives kill -9."""

from __future__ import annotations

import signal
import subprocess
import sys
import textwrap
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from cloud_rig import INPUT_USD, OUTPUT_USD, SPENDING, Rig, asked, worst_usd
from openai_server import Endpoint, Reply, completion

from edge_runtime.answer_sections import BudgetSettings
from edge_runtime.cloud.spending import Spending
from edge_runtime.errors import BudgetExceededError
from edge_runtime.types import Answer, Origin

if TYPE_CHECKING:
    from collections.abc import Iterator

    from edge_runtime.cloud.responder import CloudResponder

CAP_USD = 0.01
THREADS = 100


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    made = Rig(tmp_path)
    made.budget = BudgetSettings(usd_per_minute=CAP_USD, usd_per_day=CAP_USD, usd_per_month=CAP_USD)
    yield made
    made.close()


def ask(responder: CloudResponder, number: int) -> Answer | None:
    try:
        return responder.answer(asked(f"question {number}?", wait_s=60.0))
    except BudgetExceededError:
        return None


@pytest.mark.parametrize(
    ("words", "usage"),
    [
        pytest.param(200, True, id="every reply as long as it may be"),
        pytest.param(10, True, id="short replies leave room for more"),
        pytest.param(200, False, id="a provider that does not say what it bills"),
    ],
)
def test_a_hundred_threads_stay_below_the_cap(rig: Rig, endpoint: Endpoint, words: int, usage: bool) -> None:
    used = {"prompt_tokens": 500, "completion_tokens": words, "total_tokens": 500 + words} if usage else None
    endpoint.script = [Reply(body=completion(usage=used).body, hang_s=0.3)]
    responder = rig.make(endpoint.url, attempts=1, timeout_s=60.0)
    with ThreadPoolExecutor(THREADS) as pool:
        answers = list(pool.map(lambda number: ask(responder, number), range(THREADS)))
    one_usd = 500 * INPUT_USD + words * OUTPUT_USD
    billed_usd = one_usd * len(endpoint.requests)
    assert 0 < billed_usd <= CAP_USD
    assert rig.gone_usd <= CAP_USD
    assert rig.gone_usd >= billed_usd * (1 - 1e-9)
    answered = [answer for answer in answers if answer is not None]
    assert len(answered) == len(endpoint.requests)
    assert {answer.origin for answer in answered} == {Origin.CLOUD}
    fit = int(CAP_USD / max(worst_usd(sent) for sent in endpoint.requests))
    assert len(endpoint.requests) >= fit, "none is refused while there is room"


ASK = """
    import sys
    from pathlib import Path
    sys.path.insert(0, sys.argv[3])
    from cloud_rig import Rig, asked
    from edge_runtime.answer_sections import BudgetSettings
    rig = Rig(Path(sys.argv[1]))
    rig.budget = BudgetSettings(usd_per_minute=0.01, usd_per_day=0.01, usd_per_month=0.01)
    responder = rig.make(sys.argv[2], timeout_s=60.0)
    print(responder.answer(asked("the first one?")).cost_usd, flush=True)
    responder.answer(asked("the second one?", wait_s=60.0))
"""


def test_killed_in_mid_call_the_money_is_remembered(rig: Rig, endpoint: Endpoint) -> None:
    endpoint.script = [completion(), Reply(hang_s=60)]
    command = [
        sys.executable, "-c", textwrap.dedent(ASK), str(rig.folder), endpoint.url, str(Path(__file__).parent),
    ]  # fmt: skip
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        paid_usd = float(child.stdout.readline())
        until = time.monotonic() + 60
        while len(endpoint.requests) < 2 and time.monotonic() < until:
            time.sleep(0.01)
        child.send_signal(signal.SIGKILL)
        child.wait(30)
    worst = worst_usd(endpoint.requests[1])
    assert rig.gone_usd == pytest.approx(paid_usd + worst)
    month, day, _ = rig.spending.summary()
    assert day.spent == month.spent == pytest.approx(paid_usd)
    assert day.reserved == pytest.approx(worst)
    sends = [entry for entry in rig.ledger if entry["kind"] == "send"]
    assert len(sends) == 2, "the ledger knows what left"
    left = Spending(rig.folder / SPENDING, rig.budget)
    pico = round((CAP_USD - rig.gone_usd) * 1e12)
    with pytest.raises(BudgetExceededError):
        left.reserve(pico + 1000)
    left.reserve(pico - 1000)


def test_two_boxes_on_one_disk_share_the_cap(rig: Rig, endpoint: Endpoint) -> None:
    endpoint.script = [completion(usage=None)]
    responders = [rig.make(endpoint.url, attempts=1) for _ in range(2)]
    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(lambda number: ask(responders[number % 2], number), range(THREADS)))
    assert len(endpoint.requests) * worst_usd(endpoint.requests[0]) * 0.99 <= CAP_USD
    assert rig.gone_usd <= CAP_USD
