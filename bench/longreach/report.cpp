// SPDX-License-Identifier: MIT
#include "report.hpp"

#include <absl/flags/flag.h>
#include <absl/strings/str_join.h>

#include <cstdio>
#include <nlohmann/json.hpp>

ABSL_FLAG(std::string, format, "table", "table (for people), json or csv (for programs, one line per result)");

namespace longreach {

namespace {

std::string csv_cell(const report_field& field) {
    if (std::holds_alternative<std::nullptr_t>(field.value)) return {};
    const auto* const found = std::get_if<std::string>(&field.value);
    if (found == nullptr)
        return std::visit([](const auto& value) { return nlohmann::json(value).dump(); }, field.value);
    const std::string& text = *found;
    if (text.find_first_of(",\"\r\n") == std::string::npos) return text;
    std::string quoted = "\"";
    for (const char c : text) quoted += c == '"' ? std::string("\"\"") : std::string(1, c);
    return quoted + "\"";
}

void print_line(const std::string& line) {
    std::fputs(line.c_str(), stdout);
    std::fputc('\n', stdout);
    std::fflush(stdout);
}

}

absl::Status read_format(report_format& into) {
    static constexpr std::pair<const char*, report_format> formats[] = {
        {"table", report_format::table}, {"json", report_format::json}, {"csv", report_format::csv}};
    return choose("format", absl::GetFlag(FLAGS_format), formats, into);
}

void report_lines::add(const std::vector<report_field>& fields) {
    if (format_ == report_format::table) return;
    if (format_ == report_format::json) {
        nlohmann::ordered_json line;
        for (const report_field& field : fields) {
            std::visit([&](const auto& value) { line[field.name] = value; }, field.value);
        }
        return print_line(line.dump());
    }
    if (!headed_) {
        print_line(absl::StrJoin(fields, ",", [](std::string* out, const report_field& f) { out->append(f.name); }));
        headed_ = true;
    }
    print_line(absl::StrJoin(fields, ",", [](std::string* out, const report_field& f) { out->append(csv_cell(f)); }));
}

}
