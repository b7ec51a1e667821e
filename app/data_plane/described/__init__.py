"""What there is, for those who call: OpenAPI, TypeScript."""
