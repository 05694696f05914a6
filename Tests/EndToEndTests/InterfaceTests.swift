import Foundation
import TestSupport
import Testing

#if canImport(FoundationNetworking)
import FoundationNetworking
#endif

/// The API by its bytes, against a real daemon's socket.
@Suite("The API")
struct InterfaceTests {
    @Test("registering answers 201 with an ETag, 200 when known; If-Match fences incarnations")
    func incarnations() async throws {
        try await withDaemon { daemon in
            let path = "/v1/services/a/instances/1"
            let first = try daemon.request("PUT", path, #"{"ip":"10.0.0.1","port":1,"startId":"x"}"#)
            #expect(first.status == 201)
            let etag = try #require(first.header("etag"))
            let again = try daemon.request("PUT", path, #"{"ip":"10.0.0.1","port":1,"startId":"x"}"#)
            #expect(again.status == 200)
            #expect(again.body.contains(#""result":"unchanged""#))
            #expect(again.header("etag") == etag)
            let newer = try daemon.request("PUT", path, #"{"ip":"10.0.0.1","port":1,"startId":"y"}"#)
            #expect(newer.body.contains(#""result":"replaced""#))
            #expect(newer.header("etag") != etag)
            let late = try daemon.request("DELETE", path, headers: "if-match: \(etag)\r\n")
            #expect(late.status == 412)
            #expect(late.body.contains(#""code":"superseded""#))
            let otherEpoch = try daemon.request(
                "POST",
                path + "/drain",
                headers: "if-match: \"0123456789abcdef-2\"\r\n"
            )
            #expect(otherEpoch.status == 412)
            let mine = try daemon.request("DELETE", path, headers: "if-match: \(newer.header("etag") ?? "")\r\n")
            #expect(mine.status == 200)
        }
    }

    @Test("look-ups: filters, 304, sequence, known but empty, nearest names")
    func lookups() async throws {
        try await withDaemon { daemon in
            let many = try daemon.request(
                "POST",
                "/v1/instances",
                """
                [{"service":"identity-check","id":"1","ip":"10.0.0.1","port":1,"status":"healthy","zone":"a"},
                 {"service":"identity-check","id":"2","ip":"10.0.0.2","port":2,"status":"unhealthy","version":"2"},
                 {"service":"identity-check","id":"3","ip":"300.0.0.1/x","port":3},
                 {"service":"identity-check","id":"4","ip":"10.0.0.4","port":4,"tags":["a\\"b"],"status":"degraded"}]
                """
            )
            #expect(many.body.contains(#""registered":3,"failed":1"#))
            let routable = try daemon.request("GET", "/v1/services/identity-check")
            #expect(ids(routable) == ["1", "4"])
            #expect(routable.header("x-hms-sequence") == "4")
            #expect(ids(try daemon.request("GET", "/v1/services/identity-check?status=all")) == ["1", "2", "4"])
            #expect(ids(try daemon.request("GET", "/v1/services/identity-check?status=unhealthy")) == ["2"])
            #expect(ids(try daemon.request("GET", "/v1/services/identity-check?zone=a")) == ["1"])
            #expect(ids(try daemon.request("GET", "/v1/services/identity-check?tag=a%22b")) == ["4"])
            let etag = routable.header("etag") ?? ""
            let cached = try daemon.request("GET", "/v1/services/identity-check", headers: "if-none-match: \(etag)\r\n")
            #expect(cached.status == 304)
            #expect(cached.body.isEmpty)
            let unknown = try daemon.request("GET", "/v1/services/identity-chek")
            #expect(unknown.status == 404)
            #expect(unknown.body.contains(#""hint":"did you mean identity-check?","nearest":["identity-check"]"#))
            for (method, path) in [
                ("DELETE", "identity-chek"), ("DELETE", "identity-chek/policy"),
                ("DELETE", "identity-chek/instances/1"),
                ("POST", "identity-chek/instances/1/drain"),
            ] {
                let refused = try daemon.request(method, "/v1/services/\(path)")
                #expect(refused.status == 404)
                #expect(refused.body.contains(#""nearest":["identity-check"]"#), "\(method) \(path): \(refused.body)")
            }
            _ = try daemon.request("DELETE", "/v1/services/identity-check")
            let empty = try daemon.request("GET", "/v1/services/identity-check")
            #expect(empty.status == 200)
            #expect(empty.body == #"{"identity-check":[]}"#)
        }
    }

    @Test("after= waits for a sequence, and says when it does not come")
    func readYourWrites() async throws {
        try await withDaemon { daemon in
            _ = try daemon.request("PUT", "/v1/services/a/instances/1", #"{"ip":"10.0.0.1","port":1}"#)
            #expect(try daemon.request("GET", "/v1/services/a?after=2").status == 200)
            async let waiting = Task.detached { try daemon.request("GET", "/v1/services/a?after=3") }.value
            _ = try daemon.request("PUT", "/v1/services/a/instances/2", #"{"ip":"10.0.0.1","port":1}"#)
            #expect(try await waiting.status == 200)
        }
    }

    @Test("heartbeats tell which ids are unknown or superseded")
    func heartbeats() async throws {
        try await withDaemon { daemon in
            _ = try daemon.request("PUT", "/v1/services/a/instances/1", #"{"ip":"10.0.0.1","port":1}"#)
            let answer = try daemon.request(
                "POST",
                "/v1/heartbeats",
                """
                [{"service":"a","id":"1"},{"service":"a","id":"2"},
                 {"service":"a","id":"1","etag":"0123456789abcdef-1"}]
                """
            )
            #expect(answer.body.contains(#""accepted":1,"unknown":[{"service":"a","id":"2"}]"#))
            #expect(answer.body.contains(#""superseded":[{"service":"a","id":"1"}]"#))
            #expect(ids(try daemon.request("GET", "/v1/services/a")) == ["1"])
        }
    }

    @Test(
        "bad input gets a clear error and changes nothing",
        arguments: [
            ("PUT", "/v1/services/a/instances/1", #"{"ip":"10.0.0.1","port":1"#, 400, "bad-request"),
            (
                "PUT", "/v1/services/a/instances/1", #"{"ip":"10.0.0.1","port":1,"versoin":"1"}"#, 400,
                "did you mean version?"
            ),
            ("PUT", "/v1/services/a/instances/1", #"{"ip":"10.0.0.1","port":70000}"#, 400, "outside 1 to 65535"),
            (
                "PUT", "/v1/services/a/instances/1", "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[", 400,
                "bad-request"
            ),
            ("PUT", "/v1/services/A_/instances/1", "{}", 400, "is not a service name"),
            ("PUT", "/v1/services/registry/instances/1", "{}", 400, "reserved"),
            ("PUT", "/v1/services/a/instances/..%2F..", "{}", 400, "is not an instance id"),
            ("GET", "/v1/services/a?statsu=all", "", 400, "did you mean status?"),
            ("GET", "/v1/services/a?status=well", "", 400, "bad-request"),
            ("GET", "/v1/nothing", "", 404, "unknown-path"),
            ("POST", "/v1/services", "", 405, "method-not-allowed"),
            ("POST", "/v1/external", #"{"url":"ftp://x"}"#, 400, "does not begin with https:// or http://"),
            ("POST", "/v1/external", #"{"url":"https://user:pw@x"}"#, 400, "credentials"),
            ("PUT", "/v1/services/a/policy", #"{"retries":-1}"#, 400, "bad-request"),
            ("POST", "/v1/heartbeats", #"[{"service":"a"}]"#, 400, "needs service and id"),
            ("GET", "/v1/watch", "", 400, "name what to watch"),
        ]
    )
    func badInput(method: String, path: String, body: String, status: Int, words: String) async throws {
        try await withDaemon { daemon in
            let answer = try daemon.request(method, path, body)
            #expect(answer.status == status)
            #expect(answer.header("content-type") == "application/problem+json")
            #expect(answer.body.contains(words))
            #expect(try daemon.request("GET", "/v1/status").body.contains(#""sequence":1,"services":0"#))
        }
    }

    @Test("a body over 1 MiB is refused, a long head too, and garbage ends the connection; the daemon goes on")
    func oversized() async throws {
        try await withDaemon { daemon in
            let large = String(repeating: " ", count: 2 * 1_024 * 1_024)
            #expect(try daemon.request("POST", "/v1/instances", large).status == 413)
            #expect(try daemon.request("PUT", "/v1/services/a/policy", large).status == 413)
            let head = "x-filler: \(String(repeating: "x", count: 64 * 1_024))\r\n"
            #expect(try daemon.request("GET", "/v1/services", headers: head).status != 200)
            _ = try RawAnswer.of("\u{0}\u{1}nonsense\r\n\r\n", socket: daemon.socket)
            #expect(try daemon.request("GET", "/healthz").body == "ok\n")
        }
    }

    @Test("the plain door reads and never writes")
    func plainDoor() async throws {
        try await withDaemon { daemon in
            let url = "http://\(daemon.plainAddress)"
            _ = try daemon.request(
                "PUT",
                "/v1/services/a/instances/1",
                #"{"ip":"10.0.0.1","port":1,"status":"healthy"}"#
            )
            let (found, _) = try await URLSession.shared.data(from: try #require(URL(string: url + "/v1/services/a")))
            #expect(String(decoding: found, as: UTF8.self).contains(#""id":"1""#))
            for (method, path) in [
                ("PUT", "/v1/services/a/instances/2"), ("POST", "/v1/heartbeats"), ("POST", "/v1/guard"),
                ("DELETE", "/v1/services/a"),
            ] {
                var request = URLRequest(url: try #require(URL(string: url + path)))
                request.httpMethod = method
                request.httpBody = Data(#"{"ip":"10.0.0.1","port":1}"#.utf8)
                let (body, response) = try await URLSession.shared.data(for: request)
                #expect((response as? HTTPURLResponse)?.statusCode == 403)
                #expect(String(decoding: body, as: UTF8.self).contains("read-only-door"))
            }
            #expect(ids(try daemon.request("GET", "/v1/services/a")) == ["1"])
        }
    }

    @Test("metrics, health and targets are there for scrapers")
    func operations() async throws {
        try await withDaemon { daemon in
            _ = try daemon.request(
                "PUT",
                "/v1/services/a/instances/1",
                #"{"ip":"10.0.0.1","port":1,"status":"healthy"}"#
            )
            _ = try daemon.request("GET", "/v1/services/a")
            let metrics = try daemon.request("GET", "/metrics").body
            #expect(metrics.contains("hms_reg_events_total{kind=\"instance_registered\"} 1\n"))
            #expect(metrics.contains("hms_reg_lookups_total 1\n"))
            #expect(metrics.contains("hms_reg_instances{health=\"healthy\"} 1\n"))
            #expect(metrics.contains("hms_reg_fsync_duration_seconds_bucket{le=\"+Inf\"} 2\n"))
            #expect(try daemon.request("GET", "/readyz").body == "ready\n")
            // Nobody has said where the instance's own metrics are.
            #expect(try daemon.request("GET", "/v1/targets").body == "[]")
        }
    }

    @Test("the API describes itself, to anybody")
    func description() async throws {
        try await withDaemon { daemon in
            let answer = try daemon.request("GET", "/openapi.json")
            #expect(answer.status == 200)
            let document = try JSONValue(parsing: Array(answer.body.utf8))
            #expect(document["paths"]?["/v1/heartbeats"]?["post"]?["operationId"]?.text == "heartbeats")
        }
    }

    @Test("a snapshot is never written over, and one that can't be written is told, not an internal error")
    func snapshots() async throws {
        try await withDaemon { daemon in
            let path = daemon.data + ".tar.zst"
            #expect(try daemon.request("POST", "/v1/snapshots", #"{"file":"\#(path)"}"#).status == 201)
            let again = try daemon.request("POST", "/v1/snapshots", #"{"file":"\#(path)"}"#)
            #expect(again.status == 409)
            #expect(again.body.contains(#""code":"snapshot-exists""#))
            let nowhere = try daemon.request("POST", "/v1/snapshots", #"{"file":"/nonexistent/a.tar.zst"}"#)
            #expect(nowhere.status == 503)
            #expect(nowhere.body.contains(#""code":"snapshot-failed""#))
        }
    }

    /// The ids of a look-up's document, in order.
    private func ids(_ answer: RawAnswer) -> [String] {
        let document = try? JSONSerialization.jsonObject(with: Data(answer.body.utf8)) as? [String: [[String: Any]]]
        return document?.values.first?.compactMap { $0["id"] as? String } ?? []
    }

    private func withDaemon(_ body: (Daemon) async throws -> Void) async throws {
        try await withTemporaryDirectory { directory in
            let daemon = try await Daemon.start(directory + "/data")
            try await body(daemon)
            #expect(try await daemon.program.end() == 0)
        }
    }
}
