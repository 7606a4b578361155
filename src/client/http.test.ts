import { expect, test } from "vitest";
import { RunError } from "../errors.ts";
import { Http, UnreachableError } from "./http.ts";

function answering(response: () => Response, url = "http://server.test/") {
  const requests: { url: string; init: RequestInit | undefined }[] = [];
  const http = new Http({
    url,
    token: "secret",
    fetch: async (input, init) => {
      requests.push({ url: String(input), init });
      return response();
    },
  });
  return { http, requests };
}

test("sends JSON and the token, below the path that the server has", async () => {
  const { http, requests } = answering(() => Response.json({ ok: true }), "https://server.test/runlog/");
  expect(await http.json("/runs", { method: "POST", body: { input: "hello" } })).toEqual({ ok: true });
  expect(requests[0]).toMatchObject({
    url: "https://server.test/runlog/runs",
    init: {
      method: "POST",
      body: '{"input":"hello"}',
      headers: { authorization: "Bearer secret", "content-type": "application/json" },
    },
  });
});

test("a problem becomes the refusal that it describes", async () => {
  const { http } = answering(() =>
    Response.json({ code: "run_closed", detail: "It ended" }, { status: 409 }),
  );
  const error = await http.request("/runs/r1").catch((thrown) => thrown);
  expect(error).toBeInstanceOf(RunError);
  expect(error).toMatchObject({ code: "run_closed", message: "It ended" });
});

test.each([
  [401, "unauthorized"],
  [403, "forbidden"],
  [404, "not_found"],
])("a bare %i of whatever stands before the server is %s", async (status, code) => {
  const { http } = answering(() => new Response("<html>", { status }));
  await expect(http.request("/runs")).rejects.toMatchObject({ code });
});

test("a bare 502, a code it does not know and an answer that is no JSON are a server out of reach", async () => {
  const bad = answering(() => new Response("bad gateway", { status: 502 }));
  const unknown = answering(() => Response.json({ code: "constructor" }, { status: 500 }));
  const html = answering(() => new Response("<html>"));
  await expect(bad.http.request("/runs")).rejects.toThrow(UnreachableError);
  await expect(unknown.http.request("/runs")).rejects.toThrow(UnreachableError);
  await expect(html.http.json("/runs")).rejects.toThrow("is it a Runlog server?");
});

test("no answer is a server out of reach, and an abort is the abort", async () => {
  const down = new Http({
    url: "http://server.test",
    fetch: () => Promise.reject(new TypeError("fetch failed", { cause: { code: "ENOTFOUND" } })),
  });
  await expect(down.request("/runs")).rejects.toThrow("Cannot reach http://server.test (ENOTFOUND)");
  const signal = AbortSignal.abort(new Error("enough"));
  await expect(down.request("/runs", { signal })).rejects.toThrow("enough");
});

test.each(["", "localhost:8000", "ftp://server.test", "nonsense"])("%j is no server", (url) => {
  expect(() => new Http({ url })).toThrow(TypeError);
});

test.each(["a\nb", "t€ken"])(
  "a token that no header can hold is refused at once, and not shown: %j",
  (token) => {
    expect(() => new Http({ url: "http://server.test", token })).toThrow(
      new TypeError("Cannot use the token: it must be of printable ASCII characters"),
    );
  },
);
