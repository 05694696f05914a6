import ArgumentParser
import Glibc
import Mesh
import RegistryModel
import Terminal
import TestSupport
import Testing

@testable import hms_mesh

@Suite("hms-mesh tail")
struct TailTests {
    private static let output = Output(color: .never)

    private static func line(
        _ from: String,
        _ to: String,
        at time: String,
        took: Int64 = 10_000,
        _ tries: String = "",
        direction: String = "outbound",
        mtls: String = "on",
        more: String = ""
    ) throws -> AccessLine {
        let text = """
            {"time":"2026-11-24T14:05:\(time)Z","direction":"\(direction)","from":"\(from)","to":"\(to)",\
            "method":"POST","path":"/validate","status":200,"duration_us":\(took),"max_tries":3,\
            "tries":[\(tries)],"trace":"4bf92f3577b34da6a3ce929d0e0e4736","mtls":"\(mtls)"\(more)}
            """
        return try #require(AccessLine(Array(text.utf8)[...]))
    }

    private static func tried(_ id: String, _ status: Int = 200, at: Int64 = 0) -> String {
        #"{"instance":"\#(id)","status":\#(status),"at_us":\#(at),"duration_us":9700}"#
    }

    private static func hop(_ line: AccessLine, _ service: String, _ id: String) -> TraceForest.Hop {
        TraceForest.Hop(line: line, source: TailSource(service: service, id: id), document: Array("{}".utf8))
    }

    @Test(
        "a service that no sidecar here is of is told, with the nearest name; persons and those that are here are not"
    )
    func strangers() {
        let here: Set<String> = ["identity-check", "web-portal"]
        var query = TailQuery()
        #expect(LocalTail.strangers(to: here, in: query).isEmpty)
        query.service = "identity-chek"
        query.from = "user/ada"
        #expect(
            LocalTail.strangers(to: here, in: query)
                == [.isElsewhere(service: "identity-chek", near: "identity-check")]
        )
        query.service = "web-portal"
        query.from = "printer"
        #expect(LocalTail.strangers(to: here, in: query) == [.isElsewhere(service: "printer", near: nil)])
    }

    @Test("a line a try, each at the time it began; the path is cut where the terminal ends")
    func columns() throws {
        setenv("TZ", "UTC", 1)
        let refused = #"{"instance":"ws14-7001","failed":"refused","at_us":0,"duration_us":400},"#
        let line = try Self.line(
            "photo-validator",
            "identity-check",
            at: "12.481",
            refused + Self.tried("ws14-7002", at: 6_500)
        )
        let source = TailSource(service: "photo-validator", id: "a")
        #expect(
            TailColumns(Self.output).lines(line, source) == """
                14:05:12.481 photo-validator identity-check/ws14-7001  1/3 refused   0.4ms mtls=on  POST /validate
                14:05:12.487 photo-validator identity-check/ws14-7002  2/3 200       9.7ms mtls=on  POST /validate

                """
        )
        let narrow = TailColumns(Self.output, width: 92).lines(line, source).split(separator: "\n")
        #expect(narrow.allSatisfy { $0.count == 92 && $0.hasSuffix("POST /v…") })
    }

    @Test("the mesh's own errors, and calls that leave the mesh, are explained below")
    func below() throws {
        let open = try Self.line(
            "a",
            "b",
            at: "12.481",
            more: #","error":"breaker-open","hint":"the last tries of all 2 instances failed""#
        )
        #expect(TailColumns.below(open) == "└ breaker-open: the last tries of all 2 instances failed")
        let external = try Self.line("a", "b", at: "12.481", mtls: "off", more: #","tls":"on""#)
        #expect(TailColumns.below(external)?.contains("system roots") == true)
        #expect(TailColumns.below(try Self.line("a", "b", at: "12.481")) == nil)
    }

    @Test("hops of one request become a tree, whatever the order in which they come")
    func tree() throws {
        setenv("TZ", "UTC", 1)
        let outer = Self.hop(
            try Self.line("user/ada", "photo-validator", at: "12.400", took: 90_000, Self.tried("p1")),
            "front",
            "f1"
        )
        let middle = Self.hop(
            try Self.line("photo-validator", "identity-check", at: "12.410", took: 50_000, Self.tried("i2")),
            "photo-validator",
            "p1"
        )
        let told = Self.hop(
            try Self.line("photo-validator", "identity-check", at: "12.411", took: 40_000, direction: "inbound"),
            "identity-check",
            "i2"
        )
        let inner = Self.hop(
            try Self.line("identity-check", "payment-gateway", at: "12.420", took: 5_000, Self.tried("g1")),
            "identity-check",
            "i2"
        )
        let second = Self.hop(
            try Self.line("photo-validator", "printer", at: "12.470", took: 9_000, Self.tried("x1")),
            "photo-validator",
            "p1"
        )
        for hops in [[inner, told, middle, second, outer], [outer, second, inner, middle, told]] {
            let tree = TraceTree(hops)
            #expect(
                tree.rendered(Self.output) == """
                    14:05:12.400 · 4 calls · 90.0ms · trace 4bf92f3577b34da6a3ce929d0e0e4736
                    user/ada → photo-validator/p1            200       90.0ms  mtls=on  POST /validate
                    ├ photo-validator → identity-check/i2    200       50.0ms  mtls=on  POST /validate
                    │ └ identity-check → payment-gateway/g1  200        5.0ms  mtls=on  POST /validate
                    └ photo-validator → printer/x1           200        9.0ms  mtls=on  POST /validate

                    """
            )
            let json = try JSONValue(parsing: Array(tree.json().utf8))
            #expect(json["calls"]?.elements.map { $0["parent"] } == [.null, .number(0), .number(1), .number(0)])
        }
    }

    @Test("each try that came to a sidecar is part of its call, and a further one is not")
    func tries() throws {
        let call = Self.hop(
            try Self.line("a", "b", at: "12.400", Self.tried("1", 503) + "," + Self.tried("1", at: 5_000)),
            "a",
            "1"
        )
        let arrivals = try ["12.401", "12.406", "12.407"].map { time in
            Self.hop(try Self.line("a", "b", at: time, direction: "inbound"), "b", "1")
        }
        let tree = TraceTree(arrivals + [call])
        #expect(tree.nodes.map(\.inside.count) == [2, 0])
        #expect(tree.roots == [0, 1])
    }

    @Test("what came in from elsewhere is a call of its own, and those made for it stand below it")
    func fromElsewhere() throws {
        let cameIn = Self.hop(
            try Self.line("passport-office", "photo-validator", at: "12.400", took: 90_000, direction: "inbound"),
            "photo-validator",
            "p1"
        )
        let made = Self.hop(
            try Self.line("photo-validator", "identity-check", at: "12.410", Self.tried("i2")),
            "photo-validator",
            "p1"
        )
        let ofAnother = Self.hop(
            try Self.line("photo-validator", "identity-check", at: "12.410", Self.tried("i2")),
            "photo-validator",
            "p2"
        )
        let tree = TraceTree([made, cameIn, ofAnother])
        #expect(tree.nodes.map(\.parent) == [nil, 0, nil])
    }

    @Test("a trace is shown when it is quiet; too many, or too long ones, make room")
    func forest() throws {
        var forest = TraceForest()
        let hop = Self.hop(try Self.line("a", "b", at: "12.400"), "a", "1")
        let begin = ContinuousClock.now
        #expect(forest.add(hop, now: begin).isEmpty)
        #expect(forest.due(now: begin + .milliseconds(900)).isEmpty)
        #expect(forest.add(hop, now: begin + .milliseconds(900)).isEmpty)
        #expect(forest.due(now: begin + .milliseconds(1_800)).isEmpty)
        #expect(forest.due(now: begin + .milliseconds(1_900)).map(\.hops.count) == [2])
        #expect(forest.due(now: begin + .seconds(60)).isEmpty)
        var shown: [TraceForest.Trace] = []
        for _ in 0..<TraceForest.mostHops { shown += forest.add(hop, now: begin) }
        #expect(shown.map(\.hops.count) == [TraceForest.mostHops])
        shown = []
        for index in 0...TraceForest.mostTraces {
            let text = #"{"trace":"\#(index)","direction":"outbound"}"#
            let line = try #require(AccessLine(Array(text.utf8)[...]))
            shown += forest.add(Self.hop(line, "a", "1"), now: begin + .milliseconds(index))
        }
        #expect(shown.map { $0.hops.first?.line.trace } == ["0"])
    }

    @Test("a line without an end is passed over, and the next is read")
    func endless() {
        var cutter = LineCutter()
        var lines: [String] = []
        for _ in 0..<3 { cutter.take([UInt8](repeating: 0x61, count: 600_000)) { lines.append("\($0.count)") } }
        cutter.take(Array("b\nc\n".utf8)) { lines.append(String(decoding: $0, as: UTF8.self)) }
        #expect(lines == ["c"])
    }

    @Test("a status that no request ends with is refused, with the nearest that one does")
    func statuses() throws {
        let command = try TailCommand.parse(["--status", "5xx,refused", "--status", "404", "--slow", "200ms"])
        #expect(command.filters.query.outcomes == [.statusClass(5), .word("refused"), .status(404)])
        #expect(command.filters.query.slowMicroseconds == 200_000)
        #expect(throws: (any Error).self) { try TailCommand.parse(["--status", "refusd"]) }
        #expect(throws: (any Error).self) { try TailCommand.parse(["--service", "No Such"]) }
    }
}
