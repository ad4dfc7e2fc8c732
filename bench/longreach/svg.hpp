// SPDX-License-Identifier: MIT
#ifndef LONGREACH_BENCH_LONGREACH_SVG_HPP
#define LONGREACH_BENCH_LONGREACH_SVG_HPP

#include <absl/strings/str_cat.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

// The few elements of SVG 1.1 that a picture needs; coordinates are whole pixels.

namespace longreach {

/// Length of the character of UTF-8 that `text`, not empty, begins with; 0 where it begins with none that XML allows.
[[nodiscard]] inline std::size_t svg_character(std::string_view text) {
    const auto byte = [&](std::size_t i) { return static_cast<unsigned>(static_cast<unsigned char>(text[i])); };
    const unsigned lead = byte(0);
    if (lead < 0x80) return (lead < 0x20 && lead != '\n') || lead == 0x7f ? 0 : 1;
    const std::size_t length = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
    if (lead < 0xc2 || lead > 0xf4 || text.size() < length) return 0;
    std::uint32_t code = lead & (0xffU >> (length + 1));
    for (std::size_t i = 1; i < length; ++i) {
        if ((byte(i) & 0xc0U) != 0x80U) return 0;
        code = code << 6 | (byte(i) & 0x3fU);
    }
    const bool overlong = (length == 3 && code < 0x800) || (length == 4 && code < 0x10000);
    const bool forbidden = (code >= 0xd800 && code < 0xe000) || code == 0xfffe || code == 0xffff || code > 0x10ffff;
    return overlong || forbidden ? 0 : length;
}

/// Any bytes as character data: markup escaped, and what XML has no character for replaced by U+FFFD.
[[nodiscard]] inline std::string svg_escaped(std::string_view text) {
    std::string result;
    while (!text.empty()) {
        const std::size_t length = svg_character(text);
        switch (length == 0 ? '\0' : text[0]) {
            case '\0':
                result += "\xef\xbf\xbd";
                break;
            case '&':
                result += "&amp;";
                break;
            case '<':
                result += "&lt;";
                break;
            case '>':
                result += "&gt;";
                break;
            default:
                result += text.substr(0, length);
        }
        text.remove_prefix(length == 0 ? 1 : length);
    }
    return result;
}

class svg_page {
  public:
    struct point {
        std::uint64_t x;
        std::uint64_t y;
    };
    struct box {
        std::uint64_t x;
        std::uint64_t y;
        std::uint64_t width;
        std::uint64_t height;
    };

    /// `attributes` are SVG, e.g. `class="a" fill="#fff"`.
    void rect(const box& at, std::string_view attributes) { append_rect(at, attributes, "/>\n"); }
    /// A rectangle that shows `title` when pointed at.
    void rect(const box& at, std::string_view attributes, std::string_view title) {
        append_rect(at, attributes, absl::StrCat("><title>", svg_escaped(title), "</title></rect>\n"));
    }
    void path(std::string_view data, std::string_view attributes) {
        absl::StrAppend(&body_, "<path ", std::string(attributes), " d=\"", std::string(data), "\"/>\n");
    }
    void text(point at, std::string_view attributes, std::string_view text) {
        absl::StrAppend(&body_, "<text x=\"", at.x, "\" y=\"", at.y, attributes.empty() ? "\"" : "\" ",
                        std::string(attributes), ">", svg_escaped(text), "</text>\n");
    }

    /// The document; `head` is SVG that stands before the rest: a title, definitions, styles.
    [[nodiscard]] std::string str(std::uint64_t width, std::uint64_t height, std::string_view head) const {
        return absl::StrCat("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n",
                            "<svg xmlns=\"http://www.w3.org/2000/svg\" version=\"1.1\" width=\"", width, "\" height=\"",
                            height, "\" viewBox=\"0 0 ", width, " ", height, "\">\n", std::string(head), body_,
                            "</svg>\n");
    }

  private:
    void append_rect(const box& at, std::string_view attributes, std::string_view end) {
        absl::StrAppend(&body_, "<rect x=\"", at.x, "\" y=\"", at.y, "\" width=\"", at.width, "\" height=\"", at.height,
                        "\" ", std::string(attributes), std::string(end));
    }

    std::string body_;
};

}

#endif
