# The gate and its control plane in one container. Build: docker build -t kycgate .
# Run:   docker run -v ./kycgate.toml:/etc/kycgate/kycgate.toml:ro -v ./keys:/etc/kycgate/keys:ro \
#            -v kycgate-data:/var/lib/kycgate -p 8080:8080 -p 8081:8081 kycgate
# In the configuration listen on 0.0.0.0 and keep the database under /var/lib/kycgate.
FROM python:3.12-slim AS build
WORKDIR /src
COPY requirements-server.lock ./
RUN python -m venv /opt/kycgate \
 && /opt/kycgate/bin/pip install --no-cache-dir --require-hashes -r requirements-server.lock \
 && /opt/kycgate/bin/pip install --no-cache-dir "setuptools>=80"
COPY setup.cfg pyproject.toml README.md LICENSE ./
COPY kycgate kycgate
RUN /opt/kycgate/bin/pip install --no-cache-dir --no-deps --no-build-isolation .

FROM python:3.12-slim
RUN useradd --system --uid 10001 --home-dir /var/lib/kycgate --create-home kycgate
COPY --from=build /opt/kycgate /opt/kycgate
ENV PATH=/opt/kycgate/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
USER kycgate
WORKDIR /var/lib/kycgate
VOLUME /var/lib/kycgate
EXPOSE 8080 8081
HEALTHCHECK --interval=15s --timeout=3s --start-period=10s \
  CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:8081/healthz', timeout=2)"]
ENTRYPOINT ["kycgate"]
CMD ["serve", "--config", "/etc/kycgate/kycgate.toml"]
