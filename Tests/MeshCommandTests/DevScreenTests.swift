import RegistryModel
import Terminal
import Testing

@testable import hms_mesh

@Suite("What hms-mesh dev says")
struct DevScreenTests {
    private static let steps: [DevScreen.Step] = [
        .injected, .certificateIssued(commonName: "photo-validator"), .registered(at: "reg.gov.local:9000"),
        .running(port: 7_000),
    ]

    @Test("four lines, to the letter")
    func fourLines() {
        let lines = Self.steps.map { DevScreen.line($0, Style(isColored: false), .unicode) }
        #expect(
            lines == [
                "✔ Sidecar injected", "✔ Certificate issued (CN=photo-validator)",
                "✔ Registered with HMS-REG at reg.gov.local:9000", "Service running on http://localhost:7000",
            ]
        )
        #expect(DevScreen.line(.injected, Style(isColored: true), .unicode) == "\u{1B}[32m✔\u{1B}[0m Sidecar injected")
        #expect(DevScreen.line(.injected, Style(isColored: false), .ascii) == "ok Sidecar injected")
    }

    @Test("below them: which registry and why, who it is, where calls go, what comes next")
    func block() throws {
        var details = DevScreen.Details(
            registry: "dev registry: none was named, no socket · data ~/.local/state/hms/dev",
            identity: "spiffe://gov.local/svc/photo-validator",
            renewsIn: .seconds(43_200),
            outbound: "127.0.0.1:41877",
            inbound: "127.0.0.1:17000",
            plain: nil,
            service: try ServiceName("photo-validator")
        )
        #expect(
            DevScreen.block(details, .unicode).joined(separator: "\n") == """

                  registry   dev registry: none was named, no socket · data ~/.local/state/hms/dev
                  identity   spiffe://gov.local/svc/photo-validator · renews in 12h
                  call       http://127.0.0.1:41877 (HMS_MESH_ADDR) · inbound mTLS 127.0.0.1:17000
                  next       hms-mesh curl photo-validator /     hms-mesh tail     Ctrl-C drains

                """
        )
        details.outbound = "unix:/run/hms/app.sock"
        details.plain = "http://127.0.0.1:27000"
        #expect(
            DevScreen.block(details, .unicode)[3]
                == "  call       unix:/run/hms/app.sock (HMS_MESH_ADDR) · inbound mTLS 127.0.0.1:17000 · without mTLS http://127.0.0.1:27000"
        )
    }
}
