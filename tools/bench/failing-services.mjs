// Applications that fail as they are told: the other end of tools/bench/resilience. One process, an HTTP server an application.
//
//   node failing-services.mjs COUNT
//
// The first line on stdout is {"ports":[…],"control":PORT}. At the control port POST /set takes
// {"index","mode","share"?,"delayMs"?} (mode: answer, fail, hang, refuse; share: of the requests that fail so) and answers when
// it is so; GET /state says of each application how many requests began there, and when the last did, in nanoseconds of the
// monotonic clock.
import { createServer } from "node:http";

const applications = [];

class Application {
  mode = "answer";
  share = 1;
  delayMs = 0;
  begun = 0;
  lastBegun = 0n;

  constructor() {
    this.server = createServer((request, response) => this.answer(request, response));
    this.server.keepAliveTimeout = 60_000;
  }

  answer(request, response) {
    this.begun += 1;
    this.lastBegun = process.hrtime.bigint();
    request.resume();
    const isIll = this.mode !== "answer" && Math.random() < this.share;
    if (isIll && this.mode === "hang") return;
    const send = () => response.writeHead(isIll ? 503 : 200, { "content-length": 3 }).end("ok\n");
    if (this.delayMs && !isIll) setTimeout(send, this.delayMs);
    else send();
  }

  listen(port = 0) {
    return new Promise((resolve, reject) => {
      this.server.once("error", reject);
      this.server.listen(port, "127.0.0.1", () => resolve((this.port = this.server.address().port)));
    });
  }

  async set({ mode, share = 1, delayMs = 0 }) {
    if (mode === "refuse" && this.mode !== "refuse") {
      this.server.close();
      this.server.closeAllConnections();
    } else if (mode !== "refuse" && this.mode === "refuse") await this.listen(this.port);
    Object.assign(this, { mode, share, delayMs });
  }
}

for (let index = 0; index < Number(process.argv[2]); index += 1) applications.push(new Application());
const ports = await Promise.all(applications.map((application) => application.listen()));
const control = createServer(async (request, response) => {
  if (request.url === "/set") {
    let text = "";
    for await (const piece of request) text += piece;
    const { index, ...how } = JSON.parse(text);
    await applications[index].set(how);
  }
  response.end(JSON.stringify(applications.map(({ begun, lastBegun }) => ({ begun, lastBegun: Number(lastBegun) }))));
});
control.listen(0, "127.0.0.1", () => console.log(JSON.stringify({ ports, control: control.address().port })));
