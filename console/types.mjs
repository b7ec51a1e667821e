// Makes the types of the admin API and of a document, from what the server itself says of both.
import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import openapiTS, { astToString } from "openapi-typescript";

const python = (code) =>
  JSON.parse(execFileSync("../.venv/bin/python", ["-c", `import json; ${code}`], { cwd: import.meta.dirname, maxBuffer: 1 << 26 }));
const admin = python("from app.control_plane.router import admin_document as made; print(json.dumps(made()))");
const { $defs, ...project } = python("from app.steps.document_schema import document_schema as made; print(json.dumps(made()))");
const parts = JSON.stringify({ ...$defs, Project: project }).replaceAll("#/$defs/", "#/components/schemas/");
const document = { openapi: "3.1.0", info: { title: "A document", version: "1" }, paths: {}, components: { schemas: JSON.parse(parts) } };

for (const [name, said] of Object.entries({ admin, document })) {
  writeFileSync(`${import.meta.dirname}/src/api/${name}.d.ts`, astToString(await openapiTS(said, { defaultNonNullable: false })));
}
