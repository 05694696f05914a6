import Testing

@testable import Terminal

@Suite("What is said of wrong arguments")
struct CommandLineProgramTests {
    private let forms = ["duration": DurationArgument.form, "time": "RFC 3339"]

    @Test("a value of the wrong form is told the right one, before the usage")
    func form() {
        let text = "Error: The value '200' is invalid for '--slow <duration>'\nUsage: hms-mesh tail"
        let told = CommandLineProgram.withForm(text, forms, next: "->")
        #expect(
            told == """
                Error: The value '200' is invalid for '--slow <duration>'
                -> \(DurationArgument.form)
                Usage: hms-mesh tail
                """
        )
        let alone = CommandLineProgram.withForm("Error: The value 'x' is invalid for '<time>'", forms, next: "->")
        #expect(alone == "Error: The value 'x' is invalid for '<time>'\n-> RFC 3339")
    }

    @Test(
        "other messages stay as they are",
        arguments: [
            "", "Error: Unknown option '--slwo'",
            "Error: The value 'x' is invalid for '--port <port>'\nUsage: hms-mesh",
            "Error: no such file\nThe value '1' is invalid for '--ttl <duration>'",
        ]
    )
    func others(_ text: String) {
        #expect(CommandLineProgram.withForm(text, forms, next: "->") == text)
    }
}
