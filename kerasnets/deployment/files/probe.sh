#!/bin/bash
# Fails unless each model has a version that is ready. The image of the server has no curl.
for model in {% for model in models %}{{ model.name }} {% endfor %}; do
  exec 3<>/dev/tcp/127.0.0.1/${1:-8501} || exit 1
  printf 'GET /v1/models/%s HTTP/1.0\r\nHost: localhost\r\n\r\n' "$model" >&3
  timeout 5 grep -q '"AVAILABLE"' <&3 || exit 1
  exec 3>&-
done
