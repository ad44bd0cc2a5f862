// Loaded into Azurite with `node --require`: writes one JSON line to the file TRAFFIC_LOG for each request.
// The line is on disk before the answer leaves, so a client that has its answer finds its request there.
"use strict";

const { appendFileSync } = require("node:fs");
const { subscribe } = require("node:diagnostics_channel");

subscribe("http.server.request.start", ({ request, response }) => {
  let told = false;
  const tell = (status) => {
    if (told) return;
    told = true;
    const length = Number(request.headers["content-length"] ?? 0);
    const line = JSON.stringify({ method: request.method, target: request.url, length, status });
    appendFileSync(process.env.TRAFFIC_LOG, line + "\n");
  };
  const writeHead = response.writeHead;
  response.writeHead = function (status, ...rest) {
    tell(status);
    return writeHead.call(this, status, ...rest);
  };
  response.on("close", () => tell(0)); // the client went away before its answer
});
