"""A backend of notes, teams and pages, and rules over it: each broken in one way, beside its sound twin."""

from typing import Any

from app.changes.files import load_text

TABLES = """
rowgate: 1
users:
  columns:
    - {name: plan, type: enum, values: [free, pro], default: free, required: true}
    - {name: tenant, type: text}
tables:
  - name: notes
    columns:
      - {name: owner, type: user, required: true, on_delete: cascade}
      - {name: title, type: text, required: true, max_length: 60}
      - {name: amount, type: decimal, precision: 12, scale: 2}
      - {name: done, type: boolean, required: true, default: false}
      - {name: gone_at, type: timestamp}
  - name: lines
    columns:
      - {name: note, type: reference, table: notes, required: true, on_delete: cascade}
      - {name: text, type: text, required: true}
  - name: pages
    columns:
      - {name: owner, type: user, required: true}
      - {name: slug, type: text, required: true, unique: true, format: slug}
      - {name: body, type: text, required: true}
  - name: files
    columns:
      - {name: tenant, type: text, required: true}
      - {name: path, type: text, required: true}
  - name: invites
    columns:
      - {name: email, type: text, required: true, format: email}
      - {name: code, type: text, required: true, unique: true, min_length: 8}
  - name: teams
    columns: [{name: name, type: text, required: true}]
  - name: members
    columns:
      - {name: team, type: reference, table: teams, required: true}
      - {name: person, type: user, required: true}
    unique: [[team, person]]
  - name: papers
    columns:
      - {name: team, type: reference, table: teams, required: true}
      - {name: body, type: text, required: true}
  - name: wares
    columns:
      - {name: name, type: text, required: true}
      - {name: stock, type: integer, required: true, min: 0}
middleware:
  - name: own_note
    steps:
      - {do: fetch, from: notes, id: input.id, as: note}
      - {do: require, that: note.owner == auth.user.id}
  - {name: any_note, steps: [{do: fetch, from: notes, id: input.id, as: note}]}
  - {name: pro_only, steps: [{do: require, that: auth.user.plan == "pro"}]}
"""

# What is broken and what leaks by it: the place, the verb, and what is reached; then the twin that is sound.
CASES: dict[str, tuple[str, tuple[str, str, list[str]], str]] = {
    "a_view_without_a_filter": (
        "views: [{name: seen, table: notes, columns: [id, title]}]",
        ("views/seen select", "shows", ["notes.id", "notes.title"]),
        "views: [{name: seen, table: notes, columns: [id, title], filter: row.owner == auth.user.id}]",
    ),
    "a_filter_that_lets_more_by": (
        "views: [{name: seen, table: notes, columns: [id, title], filter: row.owner == auth.user.id || !row.done}]",
        ("views/seen select", "shows", ["notes.id", "notes.title"]),
        "views: [{name: seen, table: notes, columns: [id, title], filter: row.owner == auth.user.id && !row.done}]",
    ),
    "a_view_that_writes_without_a_filter": (
        "views: [{name: seen, table: notes, columns: [id, title], allow: [update], filter: auth.signed_in}]",
        ("views/seen update", "changes", ["notes.title"]),
        "views: [{name: seen, table: notes, columns: [id, title], allow: [update], filter: row.owner == auth.user.id}]",
    ),
    "a_view_that_deletes_without_a_filter": (
        "views: [{name: seen, table: notes, columns: [id], allow: [delete], filter: auth.signed_in}]",
        ("views/seen delete", "deletes", ["lines", "notes"]),
        "views: [{name: seen, table: notes, columns: [id], allow: [delete], filter: row.owner == auth.user.id}]",
    ),
    "a_view_whose_owner_is_sent": (
        "views: [{name: seen, table: notes, columns: [id, owner, title], allow: [insert], filter: auth.signed_in}]",
        ("views/seen insert", "writes in the name of", ["notes"]),
        "views: [{name: seen, table: notes, columns: [id, owner, title], allow: [insert],"
        " filter: row.owner == auth.user.id}]",
    ),
    "a_view_by_a_param": (
        "views: [{name: seen, table: notes, columns: [title], params: {who: {type: user}},"
        " filter: row.owner == params.who}]",
        ("views/seen select", "shows", ["notes.title"]),
        "views: [{name: seen, table: notes, columns: [title], params: {who: {type: user}},"
        " filter: row.owner == params.who && row.owner == auth.user.id}]",
    ),
    "a_computed_column_over_rows_of_all": (
        "views: [{name: seen, table: notes, filter: row.owner == auth.user.id, columns: [id,"
        " {name: more, list: notes, where: item.done == row.done, value: item.title}]}]",
        ("views/seen select", "shows", ["notes.title"]),
        "views: [{name: seen, table: notes, filter: row.owner == auth.user.id, columns: [id,"
        " {name: more, list: notes, where: item.owner == row.owner, value: item.title}]}]",
    ),
    "a_row_by_its_id": (
        "endpoints: [{name: it, method: GET, path: '/n/{id}', access: authenticated, input: {path: {id: {type: uuid}}},"
        " middleware: [any_note], steps: [{do: respond, body: {title: =note.title}}]}]",
        ("endpoints/it", "shows", ["notes.title"]),
        "endpoints: [{name: it, method: GET, path: '/n/{id}', access: authenticated, input: {path: {id: {type: uuid}}},"
        " middleware: [own_note], steps: [{do: respond, body: {title: =note.title}}]}]",
    ),
    "a_header_of_the_answer": (
        "endpoints: [{name: it, method: GET, path: '/h/{id}', access: authenticated, input: {path: {id: {type: uuid}}},"
        " middleware: [any_note], steps: [{do: respond, status: 204, headers: {X-Title: =note.title}}]}]",
        ("endpoints/it", "shows", ["notes.title"]),
        "endpoints: [{name: it, method: GET, path: '/h/{id}', access: authenticated, input: {path: {id: {type: uuid}}},"
        " middleware: [own_note], steps: [{do: respond, status: 204, headers: {X-Title: =note.title}}]}]",
    ),
    "the_message_of_a_refusal": (
        "endpoints: [{name: it, method: GET, path: '/m/{id}', access: authenticated, input: {path: {id: {type: uuid}}},"
        " middleware: [any_note], steps: [{do: require, that: note.owner == auth.user.id,"
        " message: '=\"Not yours: \" + note.title'}]}]",
        ("endpoints/it", "shows", ["notes.title"]),
        "endpoints: [{name: it, method: GET, path: '/m/{id}', access: authenticated, input: {path: {id: {type: uuid}}},"
        " middleware: [any_note], steps: [{do: require, that: note.owner == auth.user.id, message: Not yours.}]}]",
    ),
    "a_change_without_a_check": (
        "endpoints: [{name: it, method: PATCH, path: '/c/{id}', access: authenticated,"
        " input: {path: {id: {type: uuid}}, body: {title: {type: text, required: true}}},"
        " steps: [{do: update, table: notes, id: input.id, set: {title: =input.title}}]}]",
        ("endpoints/it", "changes", ["notes.title"]),
        "endpoints: [{name: it, method: PATCH, path: '/c/{id}', access: authenticated,"
        " input: {path: {id: {type: uuid}}, body: {title: {type: text, required: true}}}, middleware: [own_note],"
        " steps: [{do: update, table: notes, id: input.id, set: {title: =input.title}}]}]",
    ),
    "a_check_of_another_row_than_the_one_written": (
        "endpoints: [{name: it, method: POST, path: '/o/{id}', access: authenticated, middleware: [own_note],"
        " input: {path: {id: {type: uuid}}, body: {target: {type: uuid, required: true}}},"
        " steps: [{do: delete, table: lines, where: item.note == input.target, expect: any}]}]",
        ("endpoints/it", "deletes", ["lines"]),
        "endpoints: [{name: it, method: POST, path: '/o/{id}', access: authenticated, middleware: [own_note],"
        " input: {path: {id: {type: uuid}}, body: {target: {type: uuid, required: true}}},"
        " steps: [{do: delete, table: lines, where: item.note == note.id && item.id == input.target, expect: any}]}]",
    ),
    "rows_of_what_belongs_to_somebody": (
        "endpoints: [{name: it, method: GET, path: '/l/{id}', access: authenticated, input: {path: {id: {type: uuid}}},"
        " steps: [{do: list, from: lines, where: item.note == input.id, as: found}, {do: respond, body: =found}]}]",
        ("endpoints/it", "shows", ["lines.id", "lines.text"]),
        "endpoints: [{name: it, method: GET, path: '/l/{id}', access: authenticated, input: {path: {id: {type: uuid}}},"
        " middleware: [own_note],"
        " steps: [{do: list, from: lines, where: item.note == input.id, as: found}, {do: respond, body: =found}]}]",
    ),
    "an_owner_that_is_sent": (
        "endpoints: [{name: it, method: POST, path: /s, access: authenticated,"
        " input: {body: {title: {type: text, required: true}, owner: {type: user}}},"
        " steps: [{do: insert, table: notes,"
        " set: {title: =input.title, owner: '=has(input.owner) ? input.owner : auth.user.id'}}]}]",
        ("endpoints/it", "writes in the name of", ["notes"]),
        "endpoints: [{name: it, method: POST, path: /s, access: authenticated,"
        " input: {body: {title: {type: text, required: true}}},"
        " steps: [{do: insert, table: notes, set: {title: =input.title, owner: =auth.user.id}}]}]",
    ),
    "a_row_put_into_anothers": (
        "endpoints: [{name: it, method: POST, path: '/p/{id}', access: authenticated,"
        " input: {path: {id: {type: uuid}}, body: {text: {type: text, required: true}}},"
        " steps: [{do: insert, table: lines, set: {note: =input.id, text: =input.text}}]}]",
        ("endpoints/it", "writes in the name of", ["lines"]),
        "endpoints: [{name: it, method: POST, path: '/p/{id}', access: authenticated, middleware: [own_note],"
        " input: {path: {id: {type: uuid}}, body: {text: {type: text, required: true}}},"
        " steps: [{do: insert, table: lines, set: {note: =input.id, text: =input.text}}]}]",
    ),
    "an_upsert_over_anothers_row": (
        "endpoints: [{name: it, method: PUT, path: '/u/{slug}', access: authenticated,"
        " input: {path: {slug: {type: text, format: slug}}, body: {body: {type: text, required: true}}},"
        " steps: [{do: insert, table: pages, set: {slug: =input.slug, owner: =auth.user.id, body: =input.body},"
        " on_conflict: {columns: [slug], do: update}}]}]",
        ("endpoints/it", "changes", ["pages.body", "pages.owner"]),
        "endpoints: [{name: it, method: PUT, path: '/u/{slug}', access: authenticated,"
        " input: {path: {slug: {type: text, format: slug}}, body: {body: {type: text, required: true}}},"
        " steps: [{do: exists, from: pages, where: item.slug == input.slug && item.owner != auth.user.id, as: taken},"
        " {do: require, that: '!taken', status: 409},"
        " {do: insert, table: pages, set: {slug: =input.slug, owner: =auth.user.id, body: =input.body},"
        " on_conflict: {columns: [slug], do: update}}]}]",
    ),
    "only_the_first_of_many_is_checked": (
        "endpoints: [{name: it, method: POST, path: /b, access: authenticated,"
        " input: {body: {ids: {type: list, required: true, min_length: 1, of: {type: uuid, required: true}}}},"
        " steps: [{do: fetch, from: notes, id: 'input.ids[0]', as: first},"
        " {do: require, that: first.owner == auth.user.id},"
        " {do: list, from: notes, where: item.id in input.ids, as: found}, {do: respond, body: =found}]}]",
        ("endpoints/it", "shows", ["notes.amount", "notes.gone_at", "notes.title", "users.id"]),
        "endpoints: [{name: it, method: POST, path: /b, access: authenticated,"
        " input: {body: {ids: {type: list, required: true, min_length: 1, of: {type: uuid, required: true}}}},"
        " steps: [{do: list, from: notes, where: item.id in input.ids && item.owner == auth.user.id, as: found},"
        " {do: respond, body: =found}]}]",
    ),
    "an_id_deep_inside": (
        "endpoints: [{name: it, method: POST, path: /d, access: authenticated,"
        " input: {body: {order: {type: object, required: true, fields: {note: {type: uuid, required: true}}}}},"
        " steps: [{do: fetch, from: notes, id: input.order.note, as: note}, {do: respond, body: {it: =note.title}}]}]",
        ("endpoints/it", "shows", ["notes.title"]),
        "endpoints: [{name: it, method: POST, path: /d, access: authenticated,"
        " input: {body: {order: {type: object, required: true, fields: {note: {type: uuid, required: true}}}}},"
        " steps: [{do: fetch, from: notes, where: item.id == input.order.note && item.owner == auth.user.id, as: note},"
        " {do: respond, body: {it: =note.title}}]}]",
    ),
    "a_flag_that_widens": (
        "endpoints: [{name: it, method: GET, path: /f, access: authenticated, input: {query: {all: {type: boolean}}},"
        " steps: [{do: list, from: notes, where: input.all == true || item.owner == auth.user.id, as: found},"
        " {do: respond, body: '=found.map(one, one.title)'}]}]",
        ("endpoints/it", "shows", ["notes.title"]),
        "endpoints: [{name: it, method: GET, path: /f, access: authenticated, input: {query: {all: {type: boolean}}},"
        " steps: [{do: list, from: notes, where: (input.all == true || !item.done) && item.owner == auth.user.id,"
        " as: found}, {do: respond, body: '=found.map(one, one.title)'}]}]",
    ),
    "a_search_that_is_left_out": (
        "endpoints: [{name: it, method: GET, path: /q, access: authenticated, input: {query: {owner: {type: user}}},"
        " steps: [{do: list, from: notes, where: '!has(input.owner) || item.owner == auth.user.id', as: found},"
        " {do: respond, body: '=found.map(one, one.title)'}]}]",
        ("endpoints/it", "shows", ["notes.title"]),
        "endpoints: [{name: it, method: GET, path: /q, access: authenticated, input: {query: {owner: {type: user}}},"
        " steps: [{do: list, from: notes, where: item.owner == auth.user.id, as: found},"
        " {do: respond, body: '=found.map(one, one.title)'}]}]",
    ),
    "a_sum_over_everybody": (
        "endpoints: [{name: it, method: GET, path: /t, access: authenticated,"
        " steps: [{do: aggregate, from: notes, values: {total: {sum: item.amount}}, as: all},"
        " {do: respond, body: {total: =all.total}}]}]",
        ("endpoints/it", "tells of", ["notes"]),
        "endpoints: [{name: it, method: GET, path: /t, access: authenticated,"
        " steps: [{do: aggregate, from: notes, where: item.owner == auth.user.id, values: {total: {sum: item.amount}},"
        " as: all}, {do: respond, body: {total: =all.total}}]}]",
    ),
    "a_tenant_that_is_sent": (
        "endpoints: [{name: it, method: GET, path: /x, access: authenticated,"
        " input: {headers: {xTenant: {type: text}}},"
        " steps: [{do: list, from: files, where: item.tenant == input.xTenant, as: found},"
        " {do: respond, body: '=found.map(one, one.path)'}]}]\n"
        "views: [{name: own_files, table: files, filter: row.tenant == auth.user.tenant}]",
        ("endpoints/it", "shows", ["files.path"]),
        "endpoints: [{name: it, method: GET, path: /x, access: authenticated,"
        " input: {headers: {xTenant: {type: text}}},"
        " steps: [{do: list, from: files, where: item.tenant == auth.user.tenant, as: found},"
        " {do: respond, body: '=found.map(one, one.path)'}]}]\n"
        "views: [{name: own_files, table: files, filter: row.tenant == auth.user.tenant}]",
    ),
    "a_membership_that_one_of_two_asks_for": (
        "endpoints: [{name: read, method: GET, path: '/teams/{team}', access: authenticated,"
        " input: {path: {team: {type: uuid}}},"
        " steps: [{do: fetch, from: members, where: item.team == input.team && item.person == auth.user.id, as: me},"
        " {do: list, from: papers, where: item.team == me.team, as: found}, {do: respond, body: =found}]},"
        " {name: it, method: GET, path: '/papers/{id}', access: authenticated, input: {path: {id: {type: uuid}}},"
        " steps: [{do: fetch, from: papers, id: input.id, as: paper}, {do: respond, body: {it: =paper.body}}]}]",
        ("endpoints/it", "shows", ["papers.body"]),
        "endpoints: [{name: read, method: GET, path: '/teams/{team}', access: authenticated,"
        " input: {path: {team: {type: uuid}}},"
        " steps: [{do: fetch, from: members, where: item.team == input.team && item.person == auth.user.id, as: me},"
        " {do: list, from: papers, where: item.team == me.team, as: found}, {do: respond, body: =found}]},"
        " {name: it, method: GET, path: '/papers/{id}', access: authenticated, input: {path: {id: {type: uuid}}},"
        " steps: [{do: fetch, from: papers, id: input.id, as: paper},"
        " {do: fetch, from: members, where: item.team == paper.team && item.person == auth.user.id, as: me},"
        " {do: respond, body: {it: =paper.body}}]}]",
    ),
    "what_was_not_deleted": (
        "endpoints: [{name: it, method: GET, path: '/g/{id}', access: authenticated, input: {path: {id: {type: uuid}}},"
        " steps: [{do: fetch, from: notes, where: item.id == input.id && item.gone_at == null, as: note},"
        " {do: respond, body: {it: =note.title}}]}]",
        ("endpoints/it", "shows", ["notes.title"]),
        "endpoints: [{name: it, method: GET, path: '/g/{id}', access: authenticated, input: {path: {id: {type: uuid}}},"
        " steps: [{do: fetch, from: notes, where: item.id == input.id && item.gone_at == null"
        " && item.owner == auth.user.id, as: note}, {do: respond, body: {it: =note.title}}]}]",
    ),
    "what_is_addressed_to_somebody": (
        "endpoints: [{name: it, method: POST, path: /invites, access: authenticated,"
        " input: {body: {code: {type: text, required: true}}},"
        " steps: [{do: fetch, from: invites, where: item.code == input.code, as: invite},"
        " {do: respond, body: {to: =invite.email}}]}]\n"
        "views: [{name: my_invites, table: invites, filter: row.email == auth.user.email}]",
        ("endpoints/it", "shows", ["users.email"]),
        "endpoints: [{name: it, method: POST, path: /invites, access: authenticated,"
        " input: {body: {code: {type: text, required: true}}},"
        " steps: [{do: fetch, from: invites, where: item.code == input.code && item.email == auth.user.email,"
        " as: invite}, {do: respond, body: {to: =invite.email}}]}]\n"
        "views: [{name: my_invites, table: invites, filter: row.email == auth.user.email}]",
    ),
    "what_only_payers_reach": (
        "endpoints: [{name: it, method: GET, path: /e, access: authenticated, middleware: [pro_only],"
        " steps: [{do: list, from: notes, as: found}, {do: respond, body: '=found.map(one, one.title)'}]}]",
        ("endpoints/it", "shows", ["notes.title"]),
        "endpoints: [{name: it, method: GET, path: /e, access: authenticated, middleware: [pro_only],"
        " steps: [{do: list, from: notes, where: item.owner == auth.user.id, as: found},"
        " {do: respond, body: '=found.map(one, one.title)'}]}]",
    ),
    "what_is_closed_now": (
        "endpoints: [{name: it, method: POST, path: '/w/{id}', access: authenticated,"
        " input: {path: {id: {type: uuid}}},"
        " middleware: [any_note], steps: [{do: time_window, until: '2026-01-31T18:00:00', timezone: Europe/Zurich},"
        " {do: update, table: notes, id: note.id, set: {done: '=!note.done'}}]}]",
        ("endpoints/it", "changes", ["notes.done"]),
        "endpoints: [{name: it, method: POST, path: '/w/{id}', access: authenticated,"
        " input: {path: {id: {type: uuid}}},"
        " middleware: [own_note], steps: [{do: time_window, until: '2026-01-31T18:00:00', timezone: Europe/Zurich},"
        " {do: update, table: notes, id: note.id, set: {done: '=!note.done'}}]}]",
    ),
}


def backend(text: str) -> dict[str, Any]:
    """Give the tables with these definitions."""
    return {**load_text(TABLES), **load_text(text)}


def sound_twins() -> dict[str, Any]:
    """Give the tables with all sound twins, each named for its case too."""
    document: dict[str, Any] = load_text(TABLES)
    for name, (_, _, sound) in CASES.items():
        for section, said in load_text(sound).items():
            document.setdefault(section, []).extend({**one, "name": f"{one['name']}__{name}"} for one in said)
    return document
