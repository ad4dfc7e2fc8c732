// SPDX-License-Identifier: MIT
#include "map_drawing.hpp"

#include <absl/strings/str_cat.h>
#include <absl/strings/str_format.h>

#include <algorithm>
#include <array>
#include <utility>

#include "byte_units.hpp"

namespace longreach {

namespace {

constexpr std::uint64_t fold_height = 16;
constexpr std::uint64_t strip_height = 24;
constexpr std::uint64_t strip_cells = 256;
constexpr std::uint64_t most_tooltips = 4000;  // about 500 KiB of them

/// Areas: P. Tol, "Colour Schemes", SRON/EPS/TN/09-002, 2021, the scheme "muted", which readers with any kind of
/// colour vision tell apart; the order puts the most different first. Each is followed by itself, two thirds white.
/// Patterns: what is not the program's.
constexpr std::array<const char*, owner_classes> fills{
    "#332288", "#bbb6d7", "#cc6677",    "#eeccd1", "#44aa99",      "#c1e2dd",        "#ddcc77", "#f3eed1", "#882255",
    "#d7b6c6", "#88ccee", "#d7eef9",    "#117733", "#b0d2bb",      "#aa4499",        "#e2c1dd", "#999933", "#ddddbb",
    "#000000", "#777777", "url(#idle)", "#ee7733", "url(#pinned)", "url(#reserved)", "#ffffff"};

/// Whether a class is that of an area's short runs.
bool is_short(std::size_t of) { return of < class_table && of % 2 == 1; }

/// An address in the largest unit in which it is whole.
std::string address_text(std::uint64_t bytes) {
    static constexpr std::array<const char*, 5> units{"", " KiB", " MiB", " GiB", " TiB"};
    std::size_t unit = 0;
    for (; bytes != 0 && bytes % 1024 == 0 && unit + 1 < units.size(); bytes /= 1024) ++unit;
    return absl::StrCat(bytes, units[unit]);
}

/// Rectangles of each class, as path data.
class band_painter {
  public:
    explicit band_painter(svg_page& page) : page_(page) {}

    /// Draws the cells of a line from `at` on, each `width` by `height` pixels; `height` is a multiple of eight.
    void line(svg_page::point at, const map_line& cells, std::uint64_t width, std::uint64_t height) {
        at_ = at;
        x_ = 0;
        band_height_ = height / bands_per_square;
        for (const class_shares& shares : cells.cells) {
            const auto bands = bands_of(shares);
            for (std::size_t from = 0; from < bands.size();) {
                std::size_t to = from;
                while (to < bands.size() && bands[to] == bands[from]) ++to;
                extend(bands[from], from, to, width);
                from = to;
            }
            close_old(width);
        }
        for (const piece& each : open_) draw(each);
        open_.clear();
    }

    void finish() {
        for (std::size_t c = 0; c < class_free; ++c) {
            if (!paths_[c].empty()) page_.path(paths_[c], absl::StrCat("class=\"c", c, "\""));
        }
    }

  private:
    /// Equal bands of neighbouring cells.
    struct piece {
        std::size_t of;
        std::size_t from;
        std::size_t to;
        std::uint64_t x;
        std::uint64_t width;
    };

    void extend(std::size_t of, std::size_t from, std::size_t to, std::uint64_t width) {
        for (piece& each : open_) {
            if (each.of != of || each.from != from || each.to != to || each.x + each.width != x_) continue;
            each.width += width;
            return;
        }
        open_.push_back({of, from, to, x_, width});
    }
    /// The cell is done: what did not reach it ends.
    void close_old(std::uint64_t width) {
        x_ += width;
        const auto ended = [this](const piece& each) { return each.x + each.width != x_; };
        for (const piece& each : open_) {
            if (ended(each)) draw(each);
        }
        open_.erase(std::remove_if(open_.begin(), open_.end(), ended), open_.end());
    }
    void draw(const piece& each) {
        const std::uint64_t height = (each.to - each.from) * band_height_;
        const std::uint64_t top = at_.y + (bands_per_square - each.to) * band_height_;
        absl::StrAppend(&paths_[each.of], "M", at_.x + each.x, " ", top, "h", each.width, "v", height, "h-", each.width,
                        "z");
    }

    svg_page& page_;
    svg_page::point at_{};
    std::uint64_t band_height_ = 1;
    std::uint64_t x_ = 0;  // of the cell in its line
    std::vector<piece> open_;
    std::array<std::string, owner_classes> paths_;
};

class map_drawing {
  public:
    map_drawing(svg_page& page, svg_page::point at, const frame_map& map, const classifier& classes,
                const class_names& names, const map_scale& scale)
        : page_(page),
          left_(at.x + label_width),
          y_(at.y),
          map_(map),
          classes_(classes),
          names_(names),
          scale_(scale),
          side_(map_width / scale.columns),
          lines_(lines_of(map, classes, scale)) {}

    void draw() {
        if (std::any_of(lines_.begin(), lines_.end(), [](const map_line& line) { return line.folded; })) draw_strip();
        place_lines();
        band_painter painter(page_);
        for (std::size_t i = 0; i < lines_.size(); ++i) {
            const map_line& line = lines_[i];
            if (line.folded) {
                draw_fold(line, tops_[i]);
                continue;
            }
            page_.rect({left_, tops_[i], line.cells.size() * side_, side_}, "class=\"free\"");
            painter.line({left_, tops_[i]}, line, side_, side_);
        }
        painter.finish();
        draw_run_starts();
        draw_labels();
        draw_tooltips();
    }

    [[nodiscard]] std::uint64_t bottom() const noexcept { return y_; }

  private:
    void draw_strip() {
        std::uint64_t cell = 0;
        const map_line strip = strip_of(map_, classes_, strip_cells, cell);
        const std::uint64_t width = map_width / strip_cells;
        page_.text({left_ - 8, y_ + 16}, "class=\"right\"", "whole");
        page_.rect({left_, y_, strip.cells.size() * width, strip_height}, "class=\"free\"");
        band_painter painter(page_);
        painter.line({left_, y_}, strip, width, strip_height);
        painter.finish();
        y_ += strip_height + 14;
    }

    void place_lines() {
        for (const map_line& line : lines_) {
            tops_.push_back(y_);
            y_ += line.folded ? fold_height : side_;
        }
    }

    void draw_fold(const map_line& line, std::uint64_t top) {
        const class_shares& shares = line.cells.front();
        std::string what;
        for (const auto& [of, name] : {std::pair(class_free, "free"), std::pair(class_reserved, "reserved"),
                                       std::pair(class_pinned, "pinned")}) {
            if (shares[of] == 0) continue;
            absl::StrAppend(&what, what.empty() ? "" : ", ", bytes_text(to_bytes({shares[of]})), " ", name);
        }
        page_.rect({left_, top + 1, map_width, fold_height - 2}, "class=\"fold\"");
        page_.text({left_ + map_width / 2, top + 12}, "class=\"note\"",
                   absl::StrCat("\xe2\x8b\xaf  ", what, "  \xe2\x8b\xaf"));
    }

    /// A tick where a run begins right behind another one of the same colour, if neither is short.
    void draw_run_starts() {
        std::string ticks;
        std::size_t line = 0;
        for (std::size_t i = 1; i < map_.runs.size(); ++i) {
            const owned_frames& before = map_.runs[i - 1];
            const owned_frames& begun = map_.runs[i];
            if (before.use != frame_use::area || begun.use != frame_use::area) continue;
            const std::size_t of = classes_.of(begun);
            if (of != classes_.of(before) || is_short(of)) continue;
            while (lines_[line].end() <= begun.first) ++line;
            const std::uint64_t x = left_ + (begun.first - lines_[line].first) * side_ / scale_.square;
            absl::StrAppend(&ticks, "M", x, " ", tops_[line], "h2v", side_, "h-2z");
        }
        if (!ticks.empty()) page_.path(ticks, "class=\"tick\"");
    }

    void draw_labels() {
        std::uint64_t free_from = 0;
        for (std::size_t i = 0; i < lines_.size(); ++i) {
            if (lines_[i].folded || tops_[i] < free_from) continue;
            page_.text({left_ - 8, tops_[i] + std::min<std::uint64_t>(side_, 12) - 1}, "class=\"right\"",
                       address_text(to_bytes({lines_[i].first})));
            free_from = tops_[i] + 16;
        }
    }

    [[nodiscard]] std::string describe(std::uint64_t first, std::uint64_t end, const class_shares& shares) const {
        std::string text = absl::StrFormat("%#x to %#x", to_bytes({first}), to_bytes({end}) - 1);
        for (std::size_t c = 0; c < owner_classes; ++c) {
            if (shares[c] == 0) continue;
            absl::StrAppend(&text, "\n", names_[c], is_short(c) ? ", short runs: " : ": ",
                            bytes_text(to_bytes({shares[c]})));
        }
        return text;
    }

    /// Neighbouring squares that look alike, as [begin, end) of the line's cells.
    [[nodiscard]] static std::size_t alike_until(const map_line& line, std::size_t begin) {
        std::size_t end = begin + 1;
        while (end < line.cells.size() && bands_of(line.cells[end]) == bands_of(line.cells[begin])) ++end;
        return end;
    }

    /// What lies where, for every stretch of squares that look alike; for every line where those are too many.
    void draw_tooltips() {
        std::size_t stretches = 0;
        for (const map_line& line : lines_) {
            for (std::size_t c = 0; c < line.cells.size(); c = alike_until(line, c)) ++stretches;
        }
        for (std::size_t i = 0; i < lines_.size(); ++i) {
            const map_line& line = lines_[i];
            for (std::size_t c = 0; c < line.cells.size() && !line.folded;) {
                const std::size_t end = stretches > most_tooltips ? line.cells.size() : alike_until(line, c);
                class_shares sum{};
                for (std::size_t k = c; k < end; ++k) {
                    for (std::size_t of = 0; of < sum.size(); ++of) sum[of] += line.cells[k][of];
                }
                const std::uint64_t last = std::min(line.end(), line.first + end * scale_.square);
                page_.rect({left_ + c * side_, tops_[i], (end - c) * side_, side_}, "class=\"tip\"",
                           describe(line.first + c * scale_.square, last, sum));
                c = end;
            }
        }
    }

    svg_page& page_;
    std::uint64_t left_;
    std::uint64_t y_;
    const frame_map& map_;
    const classifier& classes_;
    const class_names& names_;
    map_scale scale_;
    std::uint64_t side_;  // of a square, in pixels
    std::vector<map_line> lines_;
    std::vector<std::uint64_t> tops_;  // of the lines
};

}

std::string bytes_text(std::uint64_t bytes) {
    static constexpr std::array<const char*, 5> units{"B", "KiB", "MiB", "GiB", "TiB"};
    const std::size_t unit = byte_unit(bytes, units.size() - 1);
    const std::uint64_t size = std::uint64_t{1} << 10 * unit;
    if (bytes % size == 0) return absl::StrCat(bytes / size, " ", units[unit]);
    return absl::StrFormat("%.*f %s", bytes / size < 100 ? 2 : 1,
                           static_cast<double>(bytes) / static_cast<double>(size), units[unit]);
}

std::string grouped(std::uint64_t number) {
    const std::string digits = absl::StrCat(number);
    std::string result;
    for (std::size_t i = 0; i < digits.size(); ++i) {
        if (i != 0 && (digits.size() - i) % 3 == 0) result += ',';
        result += digits[i];
    }
    return result;
}

std::string class_styles() {
    std::string styles;
    for (std::size_t c = 0; c < owner_classes; ++c) absl::StrAppend(&styles, ".c", c, "{fill:", fills[c], "}\n");
    return absl::StrCat(
        "<defs>\n"
        "<pattern id=\"pinned\" width=\"4\" height=\"4\" patternUnits=\"userSpaceOnUse\">"
        "<rect width=\"4\" height=\"4\" fill=\"#e4e4e4\"/>"
        "<path d=\"M-1 1l2 -2M0 4l4 -4M3 5l2 -2\" stroke=\"#9a9a9a\" stroke-width=\"0.9\"/></pattern>\n"
        "<pattern id=\"idle\" width=\"4\" height=\"4\" patternUnits=\"userSpaceOnUse\">"
        "<rect width=\"4\" height=\"4\" fill=\"#dcebf7\"/><circle cx=\"2\" cy=\"2\" r=\"0.8\" fill=\"#4a7ba6\"/>"
        "</pattern>\n"
        "<pattern id=\"reserved\" width=\"6\" height=\"4\" patternUnits=\"userSpaceOnUse\">"
        "<rect width=\"6\" height=\"4\" fill=\"#fff\"/><circle cx=\"2\" cy=\"2\" r=\"0.8\" fill=\"#e08a2e\"/>"
        "</pattern>\n</defs>\n<style type=\"text/css\">\n",
        styles,
        "text{font-family:sans-serif;font-size:12px;fill:#222}\n"
        ".head{font-size:20px;font-weight:bold}\n.map{font-size:15px;font-weight:bold}\n.right{text-anchor:end}\n"
        ".note{text-anchor:middle;font-size:11px;fill:#555}\n.free{fill:#fff;stroke:#c8c8c8;stroke-width:0.5}\n"
        ".fold{fill:#f4f4f4}\n.key{stroke:#888;stroke-width:0.5}\n"
        ".tick{fill:#fff}\n.tip{fill:#fff;fill-opacity:0}\n</style>\n");
}

std::uint64_t draw_map(svg_page& page, svg_page::point at, const frame_map& map, const classifier& classes,
                       const class_names& names, const map_scale& scale) {
    map_drawing drawing(page, at, map, classes, names, scale);
    drawing.draw();
    return drawing.bottom() - at.y;
}

}
