import Supervision
import TestSupport
import Testing

@Suite("Whose line it is")
struct OutputPrefixerTests {
    @Test("stands in front of each, in columns")
    func columns() {
        var app = OutputPrefixer(label: "app")
        let mesh = OutputPrefixer(label: "mesh")
        #expect(app.take(Array("listening\nready\n".utf8)) == "app   │ listening\napp   │ ready\n")
        #expect(mesh.line("starting") == "mesh  │ starting\n")
        let labels = ["app:7000", "app:7010", "mesh"]
        let width = OutputPrefixer.width(of: labels)
        #expect(OutputPrefixer(label: "app:7000", width: width).line("x") == "app:7000 │ x\n")
        #expect(OutputPrefixer(label: "mesh", width: width).line("x") == "mesh     │ x\n")
        #expect(OutputPrefixer(label: "app") { "<\($0)>" }.line("x") == "<app>   │ x\n")
    }

    @Test("a line waits for its end, however it is cut")
    func partial() {
        let text = Array("eins\nzwei é 語\r\n\ndrei".utf8)
        for first in 0...text.count {
            for second in first...text.count {
                var prefixer = OutputPrefixer(label: "app")
                var lines = prefixer.take(text[..<first])
                lines += prefixer.take(text[first..<second])
                lines += prefixer.take(text[second...])
                #expect(lines == "app   │ eins\napp   │ zwei é 語\napp   │ \n")
                #expect(prefixer.finish() == "app   │ drei\n")
                #expect(prefixer.finish() == "")
            }
        }
    }

    @Test("bytes that are no UTF-8 spoil only their own line")
    func invalid() {
        var prefixer = OutputPrefixer(label: "app")
        #expect(prefixer.take([0xFF, 0xC3, 0x0A, 0x61, 0x0A]) == "app   │ \u{FFFD}\u{FFFD}\napp   │ a\n")
    }

    @Test("a line without end is passed on in pieces, none of them cut inside of a character")
    func endless() {
        var prefixer = OutputPrefixer(label: "app")
        let text = "x" + String(repeating: "é", count: 100_000)
        var shown = prefixer.take(Array(text.utf8))
        shown += prefixer.finish()
        let lines = shown.split(separator: "\n")
        #expect(lines.count == 4)
        #expect(lines.map { $0.dropFirst("app   │ ".count) }.joined() == text)
        #expect(lines.allSatisfy { $0.utf8.count <= OutputPrefixer.lineBytes + 16 })
    }

    @Test("any bytes come through, each in a line with its prefix")
    func noise() {
        var random = SeededGenerator(usual: 11)
        var prefixer = OutputPrefixer(label: "app")
        for _ in 0..<200 {
            let lines = prefixer.take(random.bytes(random.below(2_000)))
            #expect(lines.isEmpty || lines.hasSuffix("\n"))
            #expect(lines.split(separator: "\n").allSatisfy { $0.hasPrefix("app   │ ") })
        }
    }
}
