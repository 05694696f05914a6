import Supervision
import Synchronization
import Testing

@Suite("What a developer sees")
struct ApplicationOutputTests {
    private final class Shown: Sendable {
        private let lines = Mutex<[String]>([])

        func write(_ stream: ChildProcess.Stream, _ text: String) {
            lines.withLock { $0.append((stream == .output ? "1 " : "2 ") + text) }
        }

        var text: String { lines.withLock { $0.joined() } }
    }

    @Test("the application's lines wait for the release, those about the mesh don't")
    func held() {
        let shown = Shown()
        let output = ApplicationOutput(labels: ["app"], write: shown.write)
        let app = output.source(0)
        output.take(Array("one\ntw".utf8)[...], of: .output, from: app)
        output.take(Array("oops\n".utf8)[...], of: .errors, from: app)
        output.note("starting")
        #expect(shown.text == "2 mesh  │ starting\n")
        output.release()
        #expect(shown.text == "2 mesh  │ starting\n1 app   │ one\n2 app   │ oops\n")
        output.take(Array("o\nend".utf8)[...], of: .output, from: app)
        output.finish(app)
        #expect(shown.text.hasSuffix("1 app   │ two\n1 app   │ end\n"))
    }

    @Test("instances are told apart, in columns")
    func instances() {
        let shown = Shown()
        let output = ApplicationOutput(labels: ["app:7000", "app:7010"], write: shown.write)
        output.release()
        output.take(Array("a\n".utf8)[...], of: .output, from: output.source(1))
        output.note("b")
        #expect(shown.text == "1 app:7010 │ a\n2 mesh     │ b\n")
    }

    @Test("what is kept back has a bound")
    func bound() {
        let shown = Shown()
        let output = ApplicationOutput(labels: ["app"], write: shown.write)
        let line = Array((String(repeating: "x", count: 999) + "\n").utf8)
        for _ in 0..<300 { output.take(line[...], of: .output, from: output.source(0)) }
        #expect(shown.text.utf8.count > 300_000)
    }
}
