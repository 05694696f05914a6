import Foundation
import Mesh
import TestSupport
import Testing

/// What the documentation shows, tried.
@Suite("The documentation's own examples")
struct ReferenceTests {
    @Test("the commands' reference is what the programs say")
    func commands() async throws {
        let folder = URL(fileURLWithPath: Program.path(of: "hms-reg")).deletingLastPathComponent().path
        let result = try await Program.run(packageDirectory + "/tools/generate-reference", ["--check", folder])
        #expect(result.exitCode == 0, "\(result.output)\(result.errors)")
    }

    @Test("each command's help shows an example of it")
    func examples() throws {
        let folder = packageDirectory + "/docs/reference/commands"
        var commands = 0
        for page in try FileManager.default.contentsOfDirectory(atPath: folder) where page.hasPrefix("hms-") {
            let text = String(decoding: try readFile(folder + "/" + page), as: UTF8.self)
            for part in text.split(separator: "```text\n").dropFirst() {
                guard let help = part.firstRange(of: "USAGE:").map({ part[..<$0.lowerBound] }) else { continue }
                commands += 1
                let program = page.prefix { $0 != "." }
                let isShown = help.split(separator: "\n").contains { $0.hasPrefix("  ") && $0.contains(program) }
                #expect(isShown, "\(page): \(help.prefix(200))")
            }
        }
        #expect(commands > 50)
    }

    /// A caller of docs/callers.md, by the language that its block names.
    enum Language: String, CaseIterable, Sendable {
        case sh
        case python
        case java
        case go

        var fileName: String {
            switch self {
            case .sh: "caller.sh"
            case .python: "caller.py"
            case .java: "Caller.java"
            case .go: "caller.go"
            }
        }

        /// nil: this machine does not have it.
        var command: [String]? {
            let words =
                switch self {
                case .sh: ["sh"]
                case .python: ["python3"]
                case .java: ["java"]
                case .go: ["go", "run"]
                }
            let path = ProcessInfo.processInfo.environment["PATH"] ?? ""
            let found = path.split(separator: ":").map { "\($0)/\(words[0])" }
                .first { FileManager.default.isExecutableFile(atPath: $0) }
            return found.map { [$0] + words.dropFirst() }
        }
    }

    @Test("each caller gets its answer through the mesh", arguments: Language.allCases.filter { $0.command != nil })
    func callers(language: Language) async throws {
        let page = String(decoding: try readFile(packageDirectory + "/docs/callers.md"), as: UTF8.self)
        let blocks = page.split(separator: "```\(language.rawValue)\n").dropFirst().map {
            $0.split(separator: "```")[0]
        }
        try #require(!blocks.isEmpty)
        let command = try #require(language.command)
        try await MeshFleet.run { fleet in
            let (app, _) = try await fleet.instance("identity-check", .echo)
            let caller = try await fleet.sidecar("photo-validator")
            _ = try await caller.awaitAnswer("identity-check", "200") { $0.status == 200 }
            for (number, block) in blocks.enumerated() {
                let folder = "\(fleet.directory)/caller-\(number)"
                try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
                try writeFile("\(folder)/\(language.fileName)", Array(block.utf8))
                let result = try await Program.run(
                    command[0],
                    command.dropFirst() + [language.fileName],
                    environment: [
                        "HMS_MESH_ADDR": caller.outbound, "HOME": fleet.directory, "GO111MODULE": "off",
                        "http_proxy": "", "no_proxy": "127.0.0.1",
                    ],
                    in: folder
                )
                #expect(result.exitCode == 0, "\(result.errors)")
                #expect(result.output.contains(#"{"passport":"C01X0006H"}"#), "\(result.output) \(result.errors)")
            }
            let posted = app.received.filter { $0.method == "POST" && $0.path == "/validate" }
            #expect(posted.count == blocks.count)
            #expect(posted.allSatisfy { $0.values("x-hms-caller") == ["spiffe://gov.local/svc/photo-validator"] })
        }
    }
}
