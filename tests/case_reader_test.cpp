// SPDX-License-Identifier: MIT
// The recorded cases that travel with the tests, read whole; and the forms that a folder may have.

#include <absl/container/flat_hash_map.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <longreach/workloads/cases/case_census.hpp>
#include <longreach/workloads/cases/case_reader.hpp>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "bundled_cases.hpp"
#include "model/case_text.hpp"
#include "shell.hpp"

namespace longreach {
namespace {

using longreach_tests::bundle;
using longreach_tests::bundled;
using longreach_tests::bundled_cases;
using model::small_case;

std::vector<case_step> steps_of(const recorded_case& of, case_step::kind what) {
    std::vector<case_step> found;
    std::copy_if(of.steps.begin(), of.steps.end(), std::back_inserter(found),
                 [&](const case_step& step) { return step.what == what; });
    return found;
}

// ---- the bundled cases

TEST(case_reader, reads_every_bundled_case) {
    std::map<char, int> kinds;
    std::size_t faults = 0;
    for (const recorded_case& each : bundled_cases()) {
        ++kinds[each.kind];
        faults += each.faults.size();
        EXPECT_FALSE(each.start.blocks.empty()) << each.run;
        EXPECT_EQ(each.logged, !each.faults.empty()) << each.run;
        EXPECT_EQ(each.logged, !each.end.blocks.empty()) << each.run;
    }
    const std::map<char, int> expected{{'A', 3}, {'B', 3}, {'C', 4}, {'D', 2}, {'E', 12}, {'F', 3}, {'G', 4},
                                       {'H', 4}, {'I', 2}, {'K', 1}, {'L', 1}, {'S', 1},  {'X', 2}};
    EXPECT_EQ(kinds, expected);
    EXPECT_EQ(faults, 143'882U);
}

TEST(case_reader, counts_the_runs_that_were_counted_when_the_cases_were_recorded) {
    absl::StatusOr<csv_lines> index = open_case_csv(
        case_folder(bundle), "index.csv", {"run", "workload", "pages", "runs", "cover80", "cover90", "cover99"});
    ASSERT_TRUE(index.ok()) << index.status();
    std::map<std::pair<std::string, std::string>, std::vector<std::uint64_t>> recorded;
    while (index->next()) {
        if (index->text(2).empty()) continue;
        std::vector<std::uint64_t>& counts = recorded[{std::string(index->text(0)), std::string(index->text(1))}];
        for (std::size_t column = 2; column < 7; ++column) counts.push_back(index->decimal(column));
    }
    ASSERT_TRUE(index->status().ok()) << index->status();
    std::size_t compared = 0;
    for (const recorded_case& each : bundled_cases()) {
        const std::optional<census> found = recorded_census(each.processes[0]);
        ASSERT_EQ(found.has_value(), each.logged) << each.run;
        if (!found) continue;
        const std::vector<std::uint64_t> counts{found->pages, found->runs, found->n80, found->n90, found->n99};
        EXPECT_EQ(counts, (recorded[{each.run, each.workload}])) << each.run << "/" << each.workload;
        ++compared;
    }
    EXPECT_EQ(compared, 39U);
}

TEST(page_bits, giving_up_pages_costs_what_is_there_however_many_are_named) {
    page_bits present;
    const vpn far{std::uint64_t{1} << 40};
    present.add({vpn{3}, page_count{1}});
    present.add({far, page_count{2}});
    for (int i = 0; i < 60000; ++i) present.remove({vpn{4}, page_count{(std::uint64_t{1} << 40) - 3}});  // up to `far`
    EXPECT_TRUE(present.contains(vpn{3}));
    EXPECT_FALSE(present.contains(far));
    EXPECT_TRUE(present.contains(far + page_count{1}));
}

/// The faults that a script's touches have to cause: the first of each superpage, or of each page where none fits.
std::vector<std::pair<unsigned, std::uint64_t>> foretold_faults(const case_source& source, bool superpages) {
    std::vector<std::pair<unsigned, std::uint64_t>> faults;
    page_run_set mapped;
    page_bits present;
    bool begun = false;
    script_walk walk(*source.parameters, *source.parameters->find(source.workload));
    const absl::Status status = walk.run([&](const script_event& event) {
        if (event.what == script_event::kind::map) mapped.add(event.pages);
        if (event.what == script_event::kind::snapshot && event.name == "before") begun = true;
        if (event.what == script_event::kind::unmap) {
            mapped.remove(event.pages);
            present.remove(event.pages);
        }
        if (event.what != script_event::kind::touch) return absl::OkStatus();
        for (const page_run& run : event.touched) {
            for (vpn page = run.first; page < run.end(); page += page_count{1}) {
                if (present.contains(page)) continue;
                const page_run whole{align_down(page, superpage_order), superpage_order.pages()};
                const bool fits = superpages && mapped.contains(whole);
                present.add(fits ? whole : page_run{page, page_count{1}});
                if (begun) faults.emplace_back(fits ? 9U : 0U, fits ? whole.first.raw : page.raw);
            }
        }
        return absl::OkStatus();
    });
    EXPECT_TRUE(status.ok()) << status;
    return faults;
}

TEST(case_reader, foretells_the_order_of_the_recorded_faults_from_the_scripts) {
    const absl::StatusOr<case_list> found = find_cases(bundle);
    ASSERT_TRUE(found.ok()) << found.status();
    std::size_t compared = 0;
    for (const case_source& source : found->cases) {
        const recorded_case& recorded = bundled(source.parameters->run, source.workload);
        if (!recorded.logged || std::string("ABCEFHKL").find(recorded.kind) == std::string::npos) continue;
        std::vector<std::pair<unsigned, std::uint64_t>> logged;
        for (const case_fault& fault : recorded.faults) {
            if (fault.page >= vpn{1ULL << 32} && fault.page < vpn{6ULL << 32}) {
                logged.emplace_back(fault.size.raw, fault.page.raw);
            }
        }
        EXPECT_EQ(foretold_faults(source, recorded.processes[0].superpages), logged) << recorded.run;
        ++compared;
    }
    EXPECT_EQ(compared, 31U);
}

TEST(case_reader, puts_every_fault_once_and_in_order_on_a_page_that_is_mapped_then) {
    for (const recorded_case& each : bundled_cases()) {
        std::vector<page_run_set> mapped(each.processes.size());
        std::size_t next = 0;
        for (const case_step& step : each.steps) {
            ASSERT_LT(step.process, each.processes.size());
            switch (step.what) {
                case case_step::kind::map:
                    EXPECT_EQ(mapped[step.process].add(step.pages), std::vector<page_run>{step.pages}) << each.run;
                    break;
                case case_step::kind::unmap:
                    mapped[step.process].remove(step.pages);
                    break;
                case case_step::kind::fork:
                    mapped[step.child] = mapped[step.process];
                    break;
                case case_step::kind::exit:
                    break;
                case case_step::kind::plain_touch:
                    EXPECT_TRUE(mapped[step.process].contains(step.pages));
                    break;
                case case_step::kind::fault: {
                    ASSERT_EQ(step.fault, next++) << each.run;
                    const case_fault& fault = each.faults[step.fault];
                    EXPECT_EQ(fault.process, step.process);
                    EXPECT_TRUE(mapped[step.process].contains(page_run{fault.page, fault.size.pages()})) << each.run;
                }
            }
        }
        EXPECT_EQ(next, each.faults.size()) << each.run;
    }
}

TEST(case_reader, follows_every_page_of_the_log_to_its_frame_at_the_end) {
    // Faults, unmaps and what was present before, together, are what the last snapshot shows of the counted areas.
    for (const recorded_case& each : bundled_cases()) {
        if (!each.logged || each.kind == 'I' || each.kind == 'D') continue;
        absl::flat_hash_map<std::uint64_t, std::uint64_t> pages;
        const auto add = [&](vpn page, pfn frame, page_count count) {
            for (std::uint64_t i = 0; i < count.raw; ++i) pages[page.raw + i] = frame.raw + i;
        };
        for (const mapping<vpn, pfn>& found : each.processes[0].before) {
            add(found.pages.first, found.frame, found.pages.count);
        }
        for (const case_step& step : each.steps) {
            if (step.what == case_step::kind::unmap) {
                for (std::uint64_t i = 0; i < step.pages.count.raw; ++i) pages.erase(step.pages.first.raw + i);
            }
            if (step.what != case_step::kind::fault || !each.faults[step.fault].got) continue;
            const case_fault& fault = each.faults[step.fault];
            add(fault.page, *fault.got, fault.size.pages());
        }
        std::uint64_t shown = 0;
        std::uint64_t followed = 0;
        for (const page_run& area : each.processes[0].counted) {
            for (const mapping<vpn, pfn>& found : each.processes[0].after) {
                const page_run part = intersection(found.pages, area);
                for (vpn page = part.first; page < part.end(); page += page_count{1}) {
                    const auto known = pages.find(page.raw);
                    ASSERT_TRUE(known != pages.end() && known->second == found.offset().apply(page).raw) << each.run;
                    ++shown;
                }
            }
            for (const auto& [page, frame] : pages) followed += area.contains(vpn{page}) ? 1 : 0;
        }
        EXPECT_EQ(shown, followed) << each.run;
    }
}

TEST(case_reader, gives_the_process_without_ca_paging_its_turns) {
    const recorded_case& two = bundled("D3_plain_main_ca_peer_ca", "D1_two");
    ASSERT_EQ(two.processes.size(), 2U);
    EXPECT_EQ(two.processes[0].name, "main");
    EXPECT_FALSE(two.processes[0].ca);
    EXPECT_EQ(two.processes[1].name, "peer");
    EXPECT_TRUE(two.processes[1].ca);
    // The k-th 2 MiB of the main process come before those of its peer.
    std::uint64_t turns = 0;
    std::uint64_t answers = 0;
    for (const case_step& step : two.steps) {
        const page_run part{vpn{0x100000000 + turns * 512}, page_count{512}};
        if (step.what == case_step::kind::plain_touch) {
            EXPECT_EQ(step.pages, part);
            EXPECT_EQ(step.process, 0U);
            EXPECT_EQ(answers, turns++);
        }
        if (step.what == case_step::kind::fault && two.faults[step.fault].size == superpage_order) ++answers;
    }
    EXPECT_EQ(turns, 256U);
    EXPECT_EQ(answers, 256U);
    // Its first turn lies between the faults that saw its block free and in use.
    const auto first = std::find_if(two.steps.begin(), two.steps.end(),
                                    [](const case_step& s) { return s.what == case_step::kind::plain_touch; });
    ASSERT_TRUE(first != two.steps.begin() && first != two.steps.end());
    EXPECT_EQ(two.faults[std::prev(first)->fault].fail_reasons, "NOTHING_FOUND");
    const auto next =
        std::find_if(first, two.steps.end(), [](const case_step& s) { return s.what == case_step::kind::fault; });
    EXPECT_EQ(two.faults[next->fault].fail_reasons, "OCCUPIED");
}

TEST(case_reader, tells_processes_apart_by_where_their_pages_lie) {
    const recorded_case& two = bundled("D1_two_ca", "D1_two");
    std::map<unsigned, std::uint64_t> superpages;
    for (const case_fault& fault : two.faults) superpages[fault.process] += fault.size == superpage_order ? 1 : 0;
    EXPECT_EQ(superpages, (std::map<unsigned, std::uint64_t>{{0, 256}, {1, 256}}));
    const auto first = std::find_if(two.faults.begin(), two.faults.end(),
                                    [](const case_fault& fault) { return fault.size == superpage_order; });
    EXPECT_EQ(first->process, 0U);  // the log saw the peer before the main process
    EXPECT_EQ(two.faults.front().process, 1U);
}

TEST(case_reader, tells_processes_apart_where_one_was_never_shown) {
    const longreach_tests::scratch_directory scratch;
    std::filesystem::copy(bundle + "/D1_two_ca", scratch.path() / "run");
    std::filesystem::remove(scratch.path() / "run/D1_two.peer.runs.csv.zst");
    const absl::StatusOr<std::vector<recorded_case>> read = load_cases(scratch.path().string());
    ASSERT_TRUE(read.ok()) << read.status();
    std::vector<unsigned> found;
    std::vector<unsigned> expected;
    for (const case_fault& fault : read->at(0).faults) found.push_back(fault.process);
    for (const case_fault& fault : bundled("D1_two_ca", "D1_two").faults) expected.push_back(fault.process);
    EXPECT_EQ(found, expected);
}

TEST(case_reader, forks_before_the_copy_faults_and_ends_it_behind) {
    for (const auto& [run, workload] : {std::pair("I1_cow_thp_ca", "I1_cow_thp"), {"I2_cow_4k_ca", "I2_cow_4k"}}) {
        const recorded_case& cow = bundled(run, workload);
        ASSERT_EQ(cow.processes.size(), 2U);
        EXPECT_EQ(cow.processes[1].name, "child");
        bool forked = false;
        bool ended = false;
        for (const case_step& step : cow.steps) {
            if (step.what == case_step::kind::fork) forked = step.child == 1;
            EXPECT_TRUE(step.process == 0 || (forked && !ended)) << run;
            if (step.what == case_step::kind::exit) ended = step.process == 1;
        }
        EXPECT_TRUE(ended);
    }
    // Copies of superpages are in no log: the child's touches stand where the record proves them.
    const recorded_case& cow = bundled("I1_cow_thp_ca", "I1_cow_thp");
    const auto copied = steps_of(cow, case_step::kind::plain_touch);
    ASSERT_EQ(copied.size(), 1U);
    EXPECT_EQ(copied[0].pages, (page_run{vpn{0x100000000}, page_count{16384}}));
    EXPECT_EQ(copied[0].process, 1U);
    EXPECT_FALSE(bundled("I2_cow_4k_ca", "I2_cow_4k").processes[0].superpages);
}

TEST(case_reader, lets_areas_grow_where_the_log_shows_them_larger) {
    const recorded_case& heap = bundled("G4_brk_steps_ca", "G4_brk_steps");
    std::size_t steps = 0;
    for (const case_step& step : steps_of(heap, case_step::kind::map)) {
        if (step.pages.first < vpn{0x51d}) continue;
        steps += step.grows_up && step.pages.count == page_count{768} ? 1 : 0;  // 3 MiB
    }
    EXPECT_EQ(steps, 40U);
    const recorded_case& downward = bundled("G3_malloc1m_ca", "G3_malloc1m");
    std::size_t pieces = 0;
    for (const case_step& step : steps_of(downward, case_step::kind::map)) {
        pieces += step.grows_down && step.pages.count == page_count{257} ? 1 : 0;  // 1 MiB and malloc's header
    }
    EXPECT_EQ(pieces, 128U);
    for (const recorded_case* each : {&heap, &downward}) {
        const auto maps = steps_of(*each, case_step::kind::map);
        EXPECT_TRUE(maps[0].separate);  // data of the program's file, in front of the heap
        EXPECT_TRUE(maps[1].grows_up && !maps[1].separate);
        EXPECT_TRUE(maps[2].grows_down);
    }
}

TEST(case_reader, knows_for_whom_superpages_were_off) {
    for (const recorded_case& each : bundled_cases()) {
        const bool off = each.kind == 'H' || each.run == "I2_cow_4k_ca";
        for (const case_process& process : each.processes) EXPECT_EQ(process.superpages, !off) << each.run;
    }
}

TEST(case_reader, unmaps_between_the_faults_before_and_behind) {
    const recorded_case& churn = bundled("K1_churn_ca", "K1_churn");
    std::vector<std::pair<char, std::uint64_t>> order;  // first faults of VMAs, and unmaps, by slot
    std::set<std::uint64_t> seen;
    for (const case_step& step : churn.steps) {
        if (step.what == case_step::kind::unmap) order.emplace_back('u', step.pages.first.raw >> 24);
        if (step.what != case_step::kind::fault) continue;
        const std::uint64_t slot = churn.faults[step.fault].page.raw >> 24;
        if (seen.insert(slot).second) order.emplace_back('f', slot);
    }
    const std::vector<std::pair<char, std::uint64_t>> expected{{'f', 0x100}, {'f', 0x101}, {'u', 0x100}, {'f', 0x102},
                                                               {'f', 0x103}, {'f', 0x104}, {'u', 0x101}, {'f', 0x105}};
    EXPECT_EQ(order, expected);
    EXPECT_EQ(churn.processes[0].counted.size(), 4U);
}

TEST(case_reader, churns_as_the_recorded_program_did) {
    // The first operations of the recorded run, as the program wrote them down itself.
    struct operation {
        bool map;
        std::uint64_t slot;
        std::uint64_t bytes;
    };
    const std::vector<operation> recorded{
        {true, 16, 31457280}, {true, 31, 2097152},  {true, 20, 2097152}, {true, 14, 56782848}, {true, 17, 8388608},
        {true, 0, 16945152},  {false, 14, 0},       {true, 5, 25321472}, {true, 29, 2097152},  {false, 16, 0},
        {true, 3, 58871808},  {true, 4, 40058880},  {false, 20, 0},      {true, 16, 12582912}, {true, 20, 46374912},
        {true, 18, 37748736}, {true, 12, 12582912}, {true, 8, 27287552}, {false, 0, 0},        {true, 0, 44085248}};
    const recorded_case& churn = bundled("L1_churn_ca", "L1_churn");
    std::vector<case_step> found;
    for (const case_step& step : churn.steps) {
        const bool change = step.what == case_step::kind::map || step.what == case_step::kind::unmap;
        if (change && step.pages.first >= vpn{1ULL << 32} && step.pages.first < vpn{6ULL << 32}) found.push_back(step);
    }
    ASSERT_GE(found.size(), recorded.size());
    for (std::size_t i = 0; i < recorded.size(); ++i) {
        EXPECT_EQ(found[i].what == case_step::kind::map, recorded[i].map) << i;
        EXPECT_EQ(found[i].pages.first.raw, (1ULL << 32) + (recorded[i].slot << 24)) << i;
        EXPECT_TRUE(!recorded[i].map || to_bytes(found[i].pages.count) == recorded[i].bytes) << i;
    }
    EXPECT_EQ(churn.processes[0].counted.size(), 16U);
}

TEST(case_reader, begins_where_the_original_hanged_with_what_is_known) {
    const recorded_case& full = bundled("X1_no2m_blocks_ca", "A1_seq256");
    EXPECT_FALSE(full.logged);
    EXPECT_GT(full.start.blocks.size(), 80'000U);
    ASSERT_EQ(steps_of(full, case_step::kind::plain_touch).size(), 1U);
    EXPECT_EQ(full.steps.back().pages, (page_run{vpn{0x100000000}, page_count{65536}}));
    const recorded_case& threads = bundled("S2_threads_same_ca", "S2_threads_same");
    EXPECT_EQ(threads.steps.back().pages, (page_run{vpn{0x100000000}, page_count{131072}}));
    const recorded_case& oom = bundled("X2_oom_ca", "X2_oom");
    EXPECT_EQ(oom.steps.back().pages, (page_run{vpn{0x100000000}, page_count{2097152}}));
    std::uint64_t frames = 0;
    for (const listed_blocks& line : oom.start.blocks) {
        EXPECT_EQ(line.size, order{10});
        frames += line.blocks * line.size.pages().raw;
    }
    EXPECT_EQ(frames, 0xc00U + 0x78c00U + 0xf4c00U);
}

// ---- the forms of a folder

TEST(case_reader, reads_plain_and_packed_files_alike) {
    const longreach_tests::scratch_directory scratch;
    const std::filesystem::path run = scratch.path() / "K1_churn_ca";
    std::filesystem::create_directory(run);
    for (const auto& entry : std::filesystem::directory_iterator(bundle + "/K1_churn_ca")) {
        model::unpack(entry.path().string(), (run / entry.path().stem()).string());
    }
    const absl::StatusOr<std::vector<recorded_case>> plain = load_cases(run.string());
    ASSERT_TRUE(plain.ok()) << plain.status();
    ASSERT_EQ(plain->size(), 1U);
    EXPECT_EQ(model::describe(plain->front()), model::describe(bundled("K1_churn_ca", "K1_churn")));
}

TEST(case_reader, says_what_it_leaves_out_and_why) {
    const auto reason = [](const small_case& files) {
        case_list found;
        const absl::Status status = find_run_cases(files.folder(), found);
        EXPECT_TRUE(status.ok()) << status;
        EXPECT_TRUE(found.cases.empty());
        return found.skipped.empty() ? std::string() : found.skipped.front().reason;
    };
    small_case plain;
    plain.replace("params.txt", "mode=ca", "mode=def");
    EXPECT_EQ(reason(plain), "CA paging was off");
    small_case unlogged;
    unlogged.remove("W.faults.csv");
    EXPECT_EQ(reason(unlogged), "it has no fault log");
    small_case heap;
    heap.remove("W.faults.csv");
    heap.remove("W.after.runs.csv");
    heap.replace("params.txt", "touch A seq", "brk 3M");
    EXPECT_EQ(reason(heap), "it has no fault log, and its script does not name all memory");
    small_case hog;
    hog.replace("params.txt", "touch A seq", "holdfree 200M");
    EXPECT_EQ(reason(hog), "its script has an operation of the hog");
    small_case stateless;
    stateless.replace("params.txt", "snap before\n", "");
    EXPECT_EQ(reason(stateless), "its script shows no state before");
}

TEST(case_reader, lets_threads_race_for_a_page_that_the_log_does_not_have) {
    small_case files;
    files.replace("params.txt", "touch A seq", "threads A 2 same");
    files.replace("W.faults.csv", "5,0,0,0x100000204", "5,0,0,0x100000203");
    const absl::StatusOr<recorded_case> read = files.load();
    ASSERT_TRUE(read.ok()) << read.status();
    EXPECT_EQ(steps_of(*read, case_step::kind::plain_touch).at(0).pages, (page_run{vpn{0x100000204}, page_count{1}}));
}

TEST(case_reader, numbers_faults_where_the_log_does_not) {
    small_case files;
    files.text("W.faults.csv") = model::without_first_column(files.text("W.faults.csv"));
    const absl::StatusOr<recorded_case> read = files.load();
    ASSERT_TRUE(read.ok()) << read.status();
    EXPECT_EQ(model::describe(*read), model::describe(*small_case().load()));
}

}
}
