"""Sessions whose jobs go through a page's state."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from shared.api import create_gradio_progress_callbacks, create_gradio_webui_session, init
from shared.core.state import GenState
from shared.session.runtime import Runtime
from shared.session.session import WanGPSession

Make = Callable[..., dict[str, Any]]


@pytest.fixture
def served(open_runtime: Callable[..., Runtime]) -> Runtime:
    """The runtime of a served page (its tasks run in this process, on the fake runner)."""
    return open_runtime(is_server=True)


@pytest.fixture
def state(served: Runtime) -> dict[str, Any]:
    """The state of a page that is open."""
    state: dict[str, Any] = {"gen": {"queue": [], "file_list": []}}
    served.attach_state(state)
    return state


@pytest.fixture
def page(served: Runtime, state: dict[str, Any]) -> WanGPSession:
    """The session that a plugin of the page is given."""
    return served.session(state=state)


def test_a_job_runs_through_the_pages_queue(page: WanGPSession, state: dict[str, Any], settings: Make) -> None:
    job = page.submit_task(settings(count=3, print=["unheard\n"], step_s=0.02))
    (client_id,) = job.webui_client_ids
    events = list(job.events.iter(timeout=0.2))
    assert events[0].data == {"tasks": 1, "backend": "webui_queue"}
    assert next(event.data for event in events if event.kind == "status") == "Queued in WanGP..."
    assert "stream" not in [event.kind for event in events]
    outputs = [event.data for event in events if event.kind == "output"]
    assert outputs == [{"client_id": client_id, "path": job.result().generated_files[0]}]
    assert job.result().success and len(job.result().generated_files) == 1
    gen = GenState(state["gen"])
    assert gen.file_list[-1] == outputs[0]["path"] and len(gen.file_list) == 3
    assert gen.queue == [] and not GenState.in_progress.is_in(gen)


def test_the_pages_properties_of_a_job(page: WanGPSession, settings: Make, served: Runtime) -> None:
    served.queue.pause()
    given = settings(client_id="plugin_1")
    job = page.submit_manifest([given, settings()])
    while not job.webui_submission_ready:
        time.sleep(0.01)
    assert job.primary_client_id == "plugin_1" and len(job.webui_client_ids) == 2
    assert [entry["id"] for entry in job.webui_manifest] == [1, 2]
    assert job.webui_manifest[0]["params"]["prompt"] == given["prompt"]
    job.webui_manifest[0]["params"].clear()
    assert job.webui_manifest[0]["params"] and job.webui_load_queue_token
    served.queue.resume()
    assert job.result(timeout=10).success


def test_a_plain_job_has_none_of_them(served: Runtime, settings: Make) -> None:
    job = served.session().submit(settings())
    assert (job.webui_manifest, job.webui_client_ids, job.primary_client_id) == ([], [], "")
    assert not job.webui_submission_ready and job.webui_load_queue_token == ""
    job.result(timeout=10)


def test_a_job_waits_behind_what_runs_and_says_so(page: WanGPSession, served: Runtime, settings: Make) -> None:
    served.queue.pause()
    job = page.submit(settings())
    texts = []
    for event in job.events.iter(timeout=0.2):
        texts += [event.data] if event.kind == "status" else []
        if len(texts) == 2:
            served.queue.resume()
    assert texts[:2] == ["Queued in WanGP...", "Waiting in WanGP queue..."]
    assert job.result().success


def test_a_plugins_job_goes_before_the_waiting_ones(page: WanGPSession, served: Runtime, settings: Make) -> None:
    served.queue.pause()
    served.submit(settings(prompt="waits"))
    job = page.submit(settings(prompt="hurries"))
    while not job.webui_submission_ready:
        time.sleep(0.01)
    assert [task.params["prompt"] for task in served.queue.tasks()] == ["hurries", "waits"]
    served.queue.resume()
    assert job.result(timeout=10).success


def test_cancelling_touches_the_jobs_own_tasks_alone(page: WanGPSession, served: Runtime, settings: Make) -> None:
    other = served.submit(settings(steps=80, step_s=0.01))
    job = page.submit(settings())
    while not job.webui_submission_ready:
        time.sleep(0.01)
    job.cancel()
    result = job.result(timeout=5)
    assert result.cancelled and result.errors[0].stage == "cancelled"
    assert served.queue.get(other.id).status == "running"


def test_a_task_removed_on_the_page_leaves_the_others(page: WanGPSession, served: Runtime, settings: Make) -> None:
    served.queue.pause()
    job = page.submit_manifest([settings(), settings(), settings()])
    while not job.webui_submission_ready:
        time.sleep(0.01)
    served.queue.cancel(client_id=job.webui_client_ids[1])
    served.queue.resume()
    result = job.result(timeout=10)
    assert (result.successful_tasks, result.failed_tasks) == (2, 1)
    assert [(error.task_index, error.stage) for error in result.errors] == [(2, "cancelled")]


def test_failures_and_missing_outputs_are_generation_errors(page: WanGPSession, settings: Make) -> None:
    result = page.run([settings(count=0), settings(bug="oops"), settings(count=1)])
    assert [(error.task_index, error.stage) for error in result.errors] == [(1, "generation"), (2, "runtime")]
    assert result.successful_tasks == 1


def test_init_with_a_pages_state_gives_its_session(
    served: Runtime, state: dict[str, Any], settings: Make, capsys: Any
) -> None:
    session = init(webui_state=state, console_output=False)
    assert session.run(settings()).success
    session.close()
    assert "Powered" not in capsys.readouterr().out
    assert served.submit(settings()).id


def test_a_plugin_gets_a_session_and_a_progress_bar(served: Runtime, state: dict[str, Any], settings: Make) -> None:
    class Plugin:
        pass

    shown: list[tuple[float, str]] = []
    callbacks = create_gradio_progress_callbacks(lambda share, desc: shown.append((share, desc)))
    session = create_gradio_webui_session(Plugin())
    assert session.run(settings(), callbacks=callbacks).success
    shares = [share for share, _ in shown]
    assert shares == sorted(shares) and 0 <= shares[0] <= shares[-1] <= 1
    assert "Queued in WanGP..." in [text for _, text in shown]
    assert len(GenState(state["gen"]).file_list) == 1
    plugin = Plugin()
    plugin.state = state
    assert create_gradio_webui_session(plugin).run(settings()).success


def test_a_plugin_without_a_page_is_refused(runtime: Runtime) -> None:
    with pytest.raises(RuntimeError, match="no page is served here"):
        create_gradio_webui_session(object())


def test_a_state_without_a_page_is_refused(settings: Make) -> None:
    with pytest.raises(RuntimeError, match="no page is served here"):
        init(webui_state={"gen": {}})


def test_two_pages_share_the_queue_and_keep_their_own_state(served: Runtime, settings: Make) -> None:
    states: list[dict[str, Any]] = [{"gen": {}, "model_type": name} for name in ("a", "b")]
    jobs = [served.session(state=state).submit(settings(prompt=f"p{number}")) for number, state in enumerate(states)]
    assert all(job.result(timeout=10).success for job in jobs)
    assert [state["model_type"] for state in states] == ["a", "b"]
    for state in states:
        served.detach_state(state)
    assert threading.active_count() < 50
