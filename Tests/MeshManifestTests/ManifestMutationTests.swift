import MeshManifest
import Terminal
import TestSupport
import Testing

@Suite("A damaged hms.yml")
struct ManifestMutationTests {
    private static let whole = """
        service:
          name: identity-check
          port: 7001
          command: ["node", 'server.js']
          repeatable: [POST /validate]
          tags: [blue, "canary"]
          metadata: { rack: 7 }
        registry: unix:/run/hms/regd.sock
        mesh:
          timeout: 2s # all tries
          upstreams:
            payment-gateway:
              retries: 0
          allow:
            - photo-validator
            - "user:*"
          egress: ["*.gov.local"]
          log: { path: full }
        """

    private static let pieces = [
        "[", "]", "{", "}", ":", ": ", "- ", "? ", "*", "&a ", "*a", "|", ">", "\"", "'", "#", "\t", "\n", "  ",
        "!!int ",
        "%", "---\n", "\u{FEFF}", "\u{2028}", "\u{1B}[31m", "é", "語", "~", "<<: ", "0x1F", "\r", "...\n",
    ]

    @Test("is a manifest or an error with places inside of the file, never anything else")
    func mutations() throws {
        var random = SeededGenerator(usual: 20_261_125)
        var refused = 0
        for round in 0..<4_000 {
            var scalars = Array(Self.whole.unicodeScalars)
            for _ in 0...random.below(3) { mutate(&scalars, &random) }
            let text = String(String.UnicodeScalarView(scalars))
            do {
                _ = try parse(text)
            } catch let error as ManifestError {
                refused += 1
                #expect(!error.diagnostics.isEmpty)
                let lines = text.unicodeScalars.count { "\n\r\u{85}\u{2028}\u{2029}".unicodeScalars.contains($0) } + 1
                for diagnostic in error.diagnostics {
                    guard let place = diagnostic.place else { continue }
                    let isInside = (1...lines).contains(place.line) && place.column >= 1 && place.length >= 1
                    #expect(isInside, "seed \(random.seed), round \(round): \(error)")
                }
                #expect(!error.rendered(Style(isColored: false), .unicode).isEmpty)
            }
        }
        #expect(refused > 1_000)
    }

    @Test("every truncation of it is a manifest or an error")
    func truncations() {
        let bytes = Array(Self.whole.utf8)
        for length in 0..<bytes.count {
            do {
                _ = try Manifest(parsing: bytes[..<length], file: "hms.yml")
            } catch {
                #expect(!error.diagnostics.isEmpty)
            }
        }
    }

    @Test("random bytes are refused")
    func noise() {
        var random = SeededGenerator(usual: 7)
        for _ in 0..<300 {
            let bytes = random.bytes(random.below(200) + 1)
            #expect(throws: ManifestError.self) { _ = try Manifest(parsing: bytes, file: "hms.yml") }
        }
    }

    private func mutate(_ scalars: inout [Unicode.Scalar], _ random: inout SeededGenerator) {
        guard !scalars.isEmpty else { return }
        let place = random.below(scalars.count)
        switch random.below(4) {
        case 0: scalars.remove(at: place)
        case 1: scalars.insert(contentsOf: random.pick(Self.pieces).unicodeScalars, at: place)
        case 2: scalars.swapAt(place, random.below(scalars.count))
        default:
            let end = min(scalars.count, place + random.below(20))
            scalars.append(contentsOf: scalars[place..<end])
            if random.oneIn(2) { scalars.removeSubrange(place..<end) }
        }
    }
}
