# The gate and its control plane in one container, nginx in front. Build: docker build -t kycgate .
# Run:   docker run -v ./kycgate.toml:/etc/kycgate/kycgate.toml:ro -v ./keys:/etc/kycgate/keys:ro \
#            -v ./tls:/etc/kycgate/tls:ro -v kycgate-data:/var/lib/kycgate -p 8080:8080 -p 8081:8081 kycgate
# Keep the database under /var/lib/kycgate. tls holds tls.crt and tls.key, readable by user 10001; without them
# plain HTTP is spoken. Without nginx: docker run --entrypoint kycgate … serve --config /etc/kycgate/kycgate.toml
FROM python:3.12-slim AS build
WORKDIR /src
COPY requirements.lock requirements-server.lock ./
# What builds the package is pinned like what runs it: by the lines of the whole lock.
RUN python -m venv /opt/kycgate \
 && sed -n '/^setuptools==/,/[^\\]$/p' requirements.lock > requirements-build.lock \
 && /opt/kycgate/bin/pip install --no-cache-dir --require-hashes -r requirements-server.lock -r requirements-build.lock
COPY setup.cfg pyproject.toml README.md LICENSE ./
COPY kycgate kycgate
RUN /opt/kycgate/bin/pip install --no-cache-dir --no-deps --no-build-isolation . \
 && /opt/kycgate/bin/pip uninstall --yes setuptools pip

FROM python:3.12-slim
RUN apt-get update \
 && apt-get install --yes --no-install-recommends nginx ca-certificates \
 && rm -rf /var/lib/apt/lists/* /etc/nginx/sites-enabled \
 && useradd --system --uid 10001 --home-dir /var/lib/kycgate --create-home kycgate
COPY --from=build /opt/kycgate /opt/kycgate
COPY examples/container /opt/kycgate/container
ENV PATH=/opt/kycgate/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
USER kycgate
WORKDIR /var/lib/kycgate
VOLUME /var/lib/kycgate
EXPOSE 8080 8081
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=15s --timeout=3s --start-period=20s \
  CMD ["python", "/opt/kycgate/container/health.py"]
ENTRYPOINT ["python", "/opt/kycgate/container/entrypoint.py"]
