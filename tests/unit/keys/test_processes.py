"""The keyring shared by processes."""

import multiprocessing
import time

from tabard_sidecar.keys import ROOT, Keyring, KeyringError

PROCESSES = 3


def create_some(directory, count):
    ring = Keyring(directory)
    for _ in range(count):
        ring.create(ROOT)


def rotate_once(directory, won):
    try:
        Keyring(directory).rotate(ROOT, 3600, lead_seconds=60)
    except KeyringError:
        return
    with won.get_lock():
        won.value += 1


def run_all(target, *arguments):
    # Started anew, not forked: a child of the test process would inherit its threads' locks.
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=target, args=arguments) for _ in range(PROCESSES)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
    assert [process.exitcode for process in processes] == [0] * PROCESSES


def test_keys_made_by_several_processes_at_once_are_all_there(tmp_path):
    directory = tmp_path / "keys"
    ring = Keyring.create_directory(directory)

    run_all(create_some, directory, 5)

    ring.refresh()
    assert len(ring.list(ROOT)) == 5 * PROCESSES
    assert ring.problems == ()


def test_of_several_rotations_at_once_exactly_one_happens(tmp_path):
    directory = tmp_path / "keys"
    ring = Keyring.create_directory(directory)
    old = ring.create(ROOT)
    won = multiprocessing.get_context("spawn").Value("i", 0)

    run_all(rotate_once, directory, won)

    ring.refresh()
    assert won.value == 1
    assert len(ring.list(ROOT)) == 2
    assert time.time() + 3500 < ring.get(old.kid, ROOT).retire_after
