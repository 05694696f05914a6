import RegistryModel
import TestSupport
import Testing

@testable import Mesh

@Suite("The mesh's own answers")
struct MeshErrorTests {
    @Test("have the codes and statuses that clients know")
    func statuses() {
        let known: [String: Int] = [
            "unknown-service": 502, "no-instances": 503, "connect-failed": 502, "tls-failed": 502, "wrong-peer": 502,
            "clock-skew": 502, "certificate-expired": 503, "caller-not-allowed": 403, "caller-revoked": 403,
            "app-refused": 503, "app-reset": 502, "timeout": 504, "deadline": 504, "breaker-open": 503,
            "overloaded": 503, "budget-spent": 503, "draining": 503, "not-retried": 502, "egress-denied": 403,
            "wrong-protocol": 502, "bad-request": 400,
        ]
        #expect(Dictionary(uniqueKeysWithValues: MeshErrorCode.allCases.map { ($0.rawValue, $0.status) }) == known)
    }

    @Test("a request that may have been delivered is never said not to have been", arguments: MeshErrorCode.allCases)
    func delivery(code: MeshErrorCode) {
        let error = MeshError(code, "it failed", delivered: .unknown)
        #expect(error.delivered == code.fixedDelivery ?? .unknown)
        if code == .appReset || code == .notRetried { #expect(MeshError(code, "it failed").delivered == .unknown) }
    }

    @Test("are JSON that says what, where and what to do")
    func json() throws {
        var error = MeshError(
            .noInstances,
            "billing has \"no\" instances",
            service: "billing",
            instance: Sample.key("billing", "b-1")
        )
        error.attempts = 2
        let json = try JSONValue(parsing: error.json())
        #expect(json["code"]?.text == "no-instances" && json["status"]?.number == 503)
        #expect(json["message"]?.text == "billing has \"no\" instances")
        #expect(json["hint"]?.text == "why: hms-reg lookup billing --all")
        #expect(json["service"]?.text == "billing" && json["instance"]?.text == "billing/b-1")
        #expect(json["hop"]?.text == "outbound" && json["attempts"]?.number == 2 && json["delivered"]?.text == "no")
        let short = try JSONValue(parsing: MeshError(.badRequest, "two lengths", hint: "send one").json())
        #expect(short["service"] == nil && short["instance"] == nil && short["hint"]?.text == "send one")
    }

    @Test("each code has its page, which says what the code itself says", arguments: MeshErrorCode.allCases)
    func reference(code: MeshErrorCode) throws {
        let folder = packageDirectory + "/docs/reference/errors"
        let page = String(decoding: try readFile("\(folder)/\(code).md"), as: UTF8.self)
        let delivered = code.fixedDelivery.map { $0 == .no ? "no" : "unknown" } ?? "depends"
        #expect(page.hasPrefix("# `\(code)`\n"))
        for row in ["status | \(code.status)", "`grpc-status` | \(code.grpcStatus)", "delivered | \(delivered)"] {
            #expect(page.contains("\n| \(row) |\n"), "\(row)")
        }
        for heading in ["## Why", "## What to do"] { #expect(page.contains("\n\(heading)\n- ")) }
        let index = String(decoding: try readFile(folder + "/README.md"), as: UTF8.self)
        #expect(index.contains("| [`\(code)`](\(code).md) | \(code.status) | \(delivered) |"))
    }
}
