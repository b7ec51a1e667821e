# Two stages: packages are installed in the first, and only what runs is copied into the second.
FROM python:3.13-slim AS build
WORKDIR /rowgate
RUN python3 -m venv /opt/uv && /opt/uv/bin/pip install --no-cache-dir -q uv
COPY pyproject.toml uv.lock README.md LICENSE ./
# The packages first, in a layer of their own: they change less often than the code. pyproject.toml has uv compile them:
# nobody who runs the image may write bytecode.
RUN UV_PYTHON_DOWNLOADS=never UV_PROJECT_ENVIRONMENT=/opt/rowgate \
    /opt/uv/bin/uv sync -q --frozen --no-dev --no-install-project --no-cache
COPY app app
COPY migrations migrations
COPY examples examples
RUN UV_PYTHON_DOWNLOADS=never UV_PROJECT_ENVIRONMENT=/opt/rowgate \
    /opt/uv/bin/uv sync -q --frozen --no-dev --no-editable --no-cache

FROM python:3.13-slim
RUN useradd --system --uid 10001 --no-create-home --shell /bin/false rowgate
COPY --from=build /opt/rowgate /opt/rowgate
COPY examples /srv/examples
ENV PATH=/opt/rowgate/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
WORKDIR /srv
USER rowgate
EXPOSE 8000
HEALTHCHECK --interval=5s --timeout=3s --start-period=30s --retries=6 \
    CMD ["python3", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8000/readyz', timeout=2)"]
ENTRYPOINT ["rowgate"]
CMD ["serve", "--host", "0.0.0.0", "--start-with", "examples/documents.yaml"]
