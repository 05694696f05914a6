/// Columns of text with headers: two spaces between, text left, numbers right, no rules.
public struct Table: Sendable {
    public struct Column: Sendable {
        public enum Alignment: Sendable {
            case left
            case right
        }

        public var header: String
        public var alignment: Alignment

        public init(_ header: String, _ alignment: Alignment = .left) {
            self.header = header
            self.alignment = alignment
        }
    }

    public struct Cell: Sendable, ExpressibleByStringLiteral {
        public var text: String
        public var color: Style.Color

        public init(_ text: String, _ color: Style.Color = .plain) {
            self.text = text
            self.color = color
        }

        public init(stringLiteral text: String) {
            self.init(text)
        }
    }

    public var columns: [Column]
    public private(set) var rows: [[Cell]] = []

    public init(_ columns: [Column]) {
        self.columns = columns
    }

    /// - Precondition: a cell for each column.
    public mutating func append(_ row: [Cell]) {
        precondition(row.count == columns.count, "a row has a cell for each column")
        rows.append(row)
    }

    /// Lines, each ended by a newline.
    ///
    /// - Parameter width: of the terminal, to which the last column is cut; nil: nothing is cut.
    public func rendered(_ style: Style, width: Int? = nil, ellipsis: String = "…") -> String {
        var widths = columns.map(\.header.count)
        for row in rows {
            for (index, cell) in row.enumerated() { widths[index] = max(widths[index], cell.text.count) }
        }
        let before = widths.dropLast().reduce(0) { $0 + $1 + 2 }
        let room = width.map { max(8, $0 - before) }
        var output = line(columns.map { Cell($0.header, .bold) }, widths, style, room, ellipsis)
        for row in rows { output += line(row, widths, style, room, ellipsis) }
        return output
    }

    private func line(
        _ cells: [Cell],
        _ widths: [Int],
        _ style: Style,
        _ room: Int?,
        _ ellipsis: String
    ) -> String {
        var line = ""
        for (index, cell) in cells.enumerated() {
            let isLast = index == cells.count - 1
            var text = cell.text
            if isLast, let room, text.count > room { text = String(text.prefix(room - 1)) + ellipsis }
            let padding = String(repeating: " ", count: max(0, widths[index] - text.count))
            switch columns[index].alignment {
            case .left: line += style.paint(text, cell.color) + (isLast ? "" : padding)
            case .right: line += (isLast && room != nil ? "" : padding) + style.paint(text, cell.color)
            }
            if !isLast { line += "  " }
        }
        return line + "\n"
    }
}
