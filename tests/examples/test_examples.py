"""The businesses of the examples, run: what must not happen in each of them."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from app.cli.documents import check_file
from tests.backend import EXAMPLES, Backend, Person, serving


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.yaml")), ids=lambda path: path.stem)
def test_every_example_is_sound_and_opens_by_saying_what_it_is(path: Any) -> None:
    _, findings = check_file(path)
    assert findings == []
    assert path.read_text().startswith("# ")


@pytest.fixture
async def shop(migrated_url: str) -> AsyncIterator[Backend]:
    async with serving(migrated_url, "shop.yaml") as backend:
        yield backend


@pytest.fixture
async def clinic(migrated_url: str) -> AsyncIterator[Backend]:
    async with serving(migrated_url, "clinic.yaml") as backend:
        yield backend


async def staff(backend: Backend) -> Person:
    person = await backend.sign_up("staff")
    await backend.sql("INSERT INTO rowgate.user_roles VALUES ($1, 'staff')", person.id)
    return person


async def stocked(backend: Backend, stock: int) -> Person:
    clerk = await staff(backend)
    body = {"title": "A lamp", "price": 19.90, "stock": stock}
    answer = await clerk.call("PUT", "/api/products/lamp", json=body)
    assert answer.status_code == 200, answer.text
    return clerk


async def test_only_the_staff_keep_the_catalogue(shop: Backend) -> None:
    alice = await shop.sign_up("alice")
    refused = await alice.call("PUT", "/api/products/lamp", json={"title": "x", "price": 0, "stock": 1})
    assert refused.status_code == 403


async def test_stock_never_goes_below_zero_however_many_order_at_once(shop: Backend) -> None:
    await stocked(shop, 5)
    people = [await shop.sign_up(f"person{index}", address="A street 1") for index in range(4)]
    order = {"sku": "lamp", "quantity": 1}
    answers = await asyncio.gather(*(person.post("/api/orders", order) for person in people for _ in range(4)))
    assert sorted(answer.status_code for answer in answers) == [201] * 5 + [409] * 11
    assert {answer.json()["code"] for answer in answers if answer.status_code == 409} == {"stock.short"}
    assert await shop.sql("SELECT stock, (SELECT count(*) FROM data.orders) FROM data.products") == [(0, 5)]


async def test_an_order_has_its_total_and_a_cancelled_one_gives_its_goods_back(shop: Backend) -> None:
    clerk = await stocked(shop, 5)
    alice = await shop.sign_up("alice")
    assert (await alice.post("/api/orders", {"sku": "lamp"})).status_code == 422  # no address anywhere
    placed = await alice.post("/api/orders", {"sku": "lamp", "quantity": 3, "address": "A street 1"})
    assert b'"total":59.70' in placed.content
    path = f"/api/orders/{placed.json()['id']}"
    bob = await shop.sign_up("bob")
    assert (await bob.post(f"{path}/cancel")).status_code == 404
    assert (await alice.post(f"{path}/cancel")).json()["status"] == "cancelled"
    assert (await alice.post(f"{path}/cancel")).status_code == 409
    assert await shop.sql("SELECT stock FROM data.products") == [(5,)]
    assert (await clerk.post(f"{path}/paid")).status_code == 409


async def test_the_catalogue_shows_whether_there_is_some_and_not_how_many(shop: Backend) -> None:
    await stocked(shop, 5)
    rows = (await shop.client.get("/rest/v1/catalogue?select=sku,available")).json()
    assert rows == [{"sku": "lamp", "available": True}]
    assert (await shop.client.get("/rest/v1/catalogue?stock=gt.0")).status_code == 400


async def offered(clinic: Backend, hours: float) -> tuple[Person, str]:
    clerk = await staff(clinic)
    doctor = (await clerk.post("/api/doctors", {"name": "Dr. Who", "speciality": "Time"})).json()
    starts_at = (datetime.now(UTC) + timedelta(hours=hours)).isoformat()
    slot = await clerk.post(f"/api/doctors/{doctor['id']}/slots", {"starts_at": starts_at, "minutes": 30})
    assert slot.status_code == 201, slot.text
    return clerk, slot.json()["id"]


async def test_a_slot_is_booked_once_by_whoever_comes_first(clinic: Backend) -> None:
    _, slot = await offered(clinic, 48)
    people = [await clinic.sign_up(f"person{index}") for index in range(6)]
    answers = await asyncio.gather(*(person.post("/api/bookings", {"slot_id": slot}) for person in people))
    assert sorted(answer.status_code for answer in answers) == [201] + [409] * 5


@pytest.mark.parametrize(("hours", "status"), [(48, 204), (23, 409)])
async def test_a_patient_cancels_until_a_day_before(clinic: Backend, hours: float, status: int) -> None:
    clerk, slot = await offered(clinic, hours)
    alice, bob = await clinic.sign_up("alice"), await clinic.sign_up("bob")
    booking = (await alice.post("/api/bookings", {"slot_id": slot, "reason": "A cough"})).json()["booking"]["id"]
    assert (await bob.call("DELETE", f"/api/bookings/{booking}")).status_code == 404
    assert (await bob.get("/rest/v1/my_bookings")).json() == []
    assert (await alice.call("DELETE", f"/api/bookings/{booking}")).status_code == status
    if status == 409:
        assert (await clerk.call("DELETE", f"/api/bookings/{booking}")).status_code == 204


async def test_the_reception_sees_the_day_and_a_slot_lies_in_the_future(clinic: Backend) -> None:
    clerk, slot = await offered(clinic, 5)
    alice = await clinic.sign_up("alice")
    assert (await alice.post("/api/bookings", {"slot_id": slot})).status_code == 201
    now = datetime.now(UTC)
    span = {"since": now.isoformat(), "until": (now + timedelta(days=1)).isoformat()}
    day = (await clerk.get("/api/bookings", params=span)).json()
    assert [one["slot"] for one in day["bookings"]] == [slot]
    doctor = day["slots"][0]["doctor"]
    refused = await clerk.post(f"/api/doctors/{doctor}/slots", {"starts_at": "2020-01-01T00:00:00Z"})
    assert refused.json()["errors"][0]["message"] == "A slot lies in the future."
