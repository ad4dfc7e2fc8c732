// SPDX-License-Identifier: MIT
#include "picture.hpp"

#include <absl/strings/str_cat.h>
#include <absl/strings/str_format.h>

#include <algorithm>
#include <array>
#include <vector>

#include "map_drawing.hpp"
#include "map_grid.hpp"
#include "svg.hpp"

namespace longreach {

namespace {

constexpr std::uint64_t margin = 16;
constexpr std::uint64_t legend_x = margin + label_width + map_width + 24;
constexpr std::uint64_t legend_width = 560;
constexpr std::uint64_t legend_step = 18;
constexpr std::uint64_t least_long_run = 16;  // frames; runs shorter than that, or than a square, are drawn pale
constexpr std::array<std::uint64_t, 4> columns{360, 430, 496, 556};  // right ends of the legend's numbers

std::string rights(permissions p) {
    return absl::StrCat(p.read ? "r" : "-", p.write ? "w" : "-", p.execute ? "x" : "-");
}

/// The file's name, or what a recording's events say of anonymous memory.
std::string kind_of(const workload& program, const map_entry<vpn>& area) {
    if (area.source.is_file()) return program.files()[area.source.file];
    if (const recording* const recorded = program.as_recording()) {
        for (const vma_event& event : recorded->vmas) {
            if (event.kind == vma_kind::brk_grow && area.pages.contains(event.pages.first)) return "heap";
        }
    }
    return area.flags.grows_down ? "stack" : "anonymous";
}

/// A name as long as its column allows, cut between characters of UTF-8.
std::string shortened(std::string name, std::size_t most) {
    if (name.size() <= most) return name;
    std::size_t end = most - 3;
    while (end > 0 && (static_cast<unsigned char>(name[end]) & 0xc0U) == 0x80U) --end;
    return name.substr(0, end) + "...";
}

class_names names_of(const workload& program, const frame_map& map, const classifier& classes, bool is_virtual) {
    class_names names(owner_classes);
    for (std::size_t c = 0; c < classes.named().size(); ++c) {
        const map_entry<vpn>& area = map.areas[classes.named()[c]];
        names[2 * c] = names[2 * c + 1] = absl::StrCat(shortened(kind_of(program, area), 22), " ", rights(area.allowed),
                                                       " at ", absl::Hex(area.pages.first.raw * page_bytes));
    }
    names[class_small_area] = names[class_small_area + 1] = "smaller areas";
    names[class_table] = "page tables";
    names[class_guest_table] = "page tables of the guest";
    names[class_idle] = "of the guest, not used by it";
    names[class_other] = "in use otherwise";
    names[class_pinned] = is_virtual ? "pinned by its hog" : "pinned by the hog";
    names[class_reserved] = "free, reserved by the policy";
    names[class_free] = "free";
    return names;
}

/// Frames and runs of each class.
std::array<frame_total, owner_classes> totals_of(const frame_map& map, const classifier& classes) {
    std::array<frame_total, owner_classes> totals{};
    for (const owned_frames& each : map.runs) {
        frame_total& into = totals[classes.of(each)];
        into.frames += each.count;
        ++into.runs;
    }
    return totals;
}

class picture {
  public:
    explicit picture(const comparison_row& row)
        : row_(row),
          maps_(row.found.frame_maps),
          scale_(scale_for(maps_)),
          least_long_(std::max(scale_.square, least_long_run)),
          classes_(maps_.front(), least_long_),
          names_(names_of(*row.program, maps_.front(), classes_, maps_.size() > 1)) {}

    std::string draw() {
        draw_head();
        for (std::size_t i = 0; i < maps_.size(); ++i) draw_memory(maps_[i], i);
        draw_notes();
        const std::string head = absl::StrCat("<title>", svg_escaped(title()), "</title>\n", class_styles(),
                                              "<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n");
        return page_.str(legend_x + legend_width + margin, y_ + margin, head);
    }

  private:
    [[nodiscard]] std::string title() const {
        const experiment& w = row_.wanted;
        return absl::StrCat(row_.program->name(), ", ", std::string(to_string(w.policy)), ", ",
                            std::string(to_string(w.mode)), ", ", words_of(w.fragmented), ", seed ", w.seed,
                            ", memory ", bytes_text(to_bytes(w.memory)));
    }

    void note(std::string_view text) { page_.text({margin, y_ += legend_step}, "", text); }

    void draw_head() {
        page_.text({margin, y_ += 26}, "class=\"head\"", title());
        const outcome& o = row_.found;
        const char* const moment = row_.wanted.moment == census_moment::peak
                                       ? "At the first moment of most mapped pages"
                                       : "At the end of the run";
        y_ += 4;
        note(absl::StrFormat(
            "%s: pages %s (%.0f %% in 2 MiB pages), runs %s, n80 %s, n90 %s, n99 %s, bound99 %s, "
            "cover32 %.1f %%, cover128 %.1f %%",
            moment, grouped(o.runs.pages),
            o.runs.pages == 0 ? 0.0
                              : 51200.0 * static_cast<double>(o.runs.superpages) / static_cast<double>(o.runs.pages),
            grouped(o.runs.runs), grouped(o.runs.n80), grouped(o.runs.n90), grouped(o.runs.n99), grouped(o.bound99()),
            100 * o.runs.cover32, 100 * o.runs.cover128));
        std::string whole = absl::StrCat("Over the whole run: ", counters("", o.counters));
        if (maps_.size() > 1) absl::StrAppend(&whole, ", ", counters("host_", o.host_counters));
        note(whole);
    }

    static std::string counters(const char* prefix, const machine_counters& c) {
        return absl::StrCat(prefix, "faults ", grouped(c.faults), ", ", prefix, "placements ",
                            grouped(c.placement.placements), ", ", prefix, "replacements ",
                            grouped(c.placement.replacements));
    }

    void draw_memory(const frame_map& map, std::size_t number) {
        const char* const whose = maps_.size() == 1 ? "Memory"
                                  : number == 0     ? "The guest's memory"
                                                    : "The host's memory";
        const frame_total program = map.total(frame_use::area);
        y_ += 30;
        page_.text({margin, y_}, "class=\"map\"",
                   absl::StrCat(whose, " at the end of the run: ", bytes_text(to_bytes({map.frames})), ", ",
                                grouped(program.frames), " pages of the program in ", grouped(program.runs), " runs"));
        y_ += 14;
        const std::uint64_t map_height = draw_map(page_, {margin, y_}, map, classes_, names_, scale_);
        const std::uint64_t legend_height = draw_legend(map, y_);
        y_ += std::max(map_height, legend_height);
    }

    void draw_legend_row(std::uint64_t y, const std::vector<std::string>& cells) {
        page_.text({legend_x + 36, y}, "", cells.front());
        for (std::size_t i = 1; i < cells.size(); ++i) {
            page_.text({legend_x + columns[i - 1], y}, "class=\"right\"", cells[i]);
        }
    }

    /// The colours of the classes from `c` up to `end`.
    void draw_key(std::uint64_t y, std::size_t c, std::size_t end) {
        const std::uint64_t width = 28 / (end - c);
        for (std::uint64_t x = legend_x; c < end; ++c, x += width) {
            page_.rect({x, y - 11, width, 14}, absl::StrCat("class=\"c", c, " key\""));
        }
    }

    std::uint64_t draw_legend(const frame_map& map, std::uint64_t top) {
        std::uint64_t y = top + 10;
        draw_legend_row(y, {"whose", "frames", "size", "share", "runs"});
        const auto totals = totals_of(map, classes_);
        const auto append = [&](const std::string& name, const frame_total& total, const std::string& runs) {
            const double share = static_cast<double>(total.frames) / static_cast<double>(map.frames);
            draw_legend_row(y, {name, grouped(total.frames), bytes_text(to_bytes({total.frames})),
                                absl::StrFormat("%.2f %%", 100 * share), runs});
        };
        frame_total all;
        for (std::size_t c = 0, end = 0; c < owner_classes; c = end) {
            end = c < class_table ? c + 2 : c + 1;
            frame_total sum;
            for (std::size_t k = c; k < end; ++k) sum += totals[k];
            all += sum;
            const bool always = c == class_free || c == class_pinned || c == class_table;
            if (sum.frames == 0 && !always) continue;
            y += legend_step;
            draw_key(y, c, end);
            append(names_[c], sum, grouped(sum.runs));
        }
        y += legend_step;
        append("the whole memory", all, "");
        return y - top + 6;
    }

    void draw_notes() {
        y_ += 16;
        note(absl::StrCat("A square is ", bytes_text(to_bytes({scale_.square})), ", a line ",
                          bytes_text(to_bytes({scale_.line()})),
                          ": addresses grow to the right, then down. Owners who share a square have bands in it, by "
                          "their shares in eighths, but at least one for everything in use."));
        note(absl::StrCat("Full colours: runs, contiguous in page and frame, of at least ",
                          bytes_text(to_bytes({least_long_})),
                          "; a white tick parts two of one colour. Pale colours: shorter runs. Grey lines: several "
                          "lines without a frame of the program, folded into one."));
        if (maps_.size() > 1) {
            note(
                "Both maps have one scale and the same colours: a frame of the host has the colour of the guest frame "
                "that it backs, and its runs are contiguous in guest page and host frame.");
        }
    }

    const comparison_row& row_;
    const std::vector<frame_map>& maps_;
    map_scale scale_;
    std::uint64_t least_long_;
    classifier classes_;
    class_names names_;
    svg_page page_;
    std::uint64_t y_ = 0;
};

}

std::string picture_of(const comparison_row& row) { return picture(row).draw(); }

}
