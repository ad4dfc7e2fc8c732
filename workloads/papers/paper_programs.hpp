// SPDX-License-Identifier: MIT
#ifndef LONGREACH_WORKLOADS_PAPERS_PAPER_PROGRAMS_HPP
#define LONGREACH_WORKLOADS_PAPERS_PAPER_PROGRAMS_HPP

#include <cstdint>
#include <vector>

#include "../../allocator/config.hpp"
#include "paper_plan.hpp"
#include "paper_startup.hpp"

// What the five programs of the CA-paging paper map and touch at the paper's sizes, in the order of their sources.
//
// Reasons, sources and guesses: workloads/README.md, "Full-size streams". Sources read: LIBLINEAR (train.c,
// linear.cpp), Ligra (IO.h, blockRadixSort.h, PageRank.C), XSBench up to version 18 (GridInit.c), NPB-OMP BT
// (bt_data.f, initialize.f, exact_rhs.f, rhs.f), Mitosis' hash join (hashjoin.c). No code is theirs.

LONGREACH_NAMESPACE_BEGIN

namespace detail {

inline constexpr std::uint64_t gib = std::uint64_t{1} << 30;
/// One thread per core of the paper's machine, two processors of ten cores each.
inline constexpr unsigned paper_threads = 20;
inline constexpr std::uint64_t small_stack = 3;  ///< pages that a thread with little on its stack touches

/// LIBLINEAR trains on kdd12: two passes over the file, arrays of known size, dual coordinate descent.
inline void plan_svm(paper_plan& plan) {
    constexpr std::uint64_t rows = 119'705'032, features = 54'686'452, nonzeros = 11, node = 16;
    start_program(plan, "train");
    // The counting pass touches nothing new. Nodes: the features, a bias that stays unused, the end mark.
    const paper_array y = plan.allocate(8 * rows, 0);
    const paper_array x = plan.allocate(8 * rows, 0);
    const paper_array nodes = plan.allocate((nonzeros + 2) * node * rows, 71);
    const page_run used = nodes.slice(0, (nonzeros + 1) * node * rows);
    plan.heat(run_between(used.end(), nodes.pages.end()), 0);
    plan.fill({used, y.pages, x.pages});
    const paper_array order = plan.allocate(4 * rows, 0);
    const paper_array label = plan.allocate(4 * rows, 0);
    plan.fill({label.pages});
    // Rows are grouped by class, and one row in 23 is a click.
    const std::uint64_t border = 4 * (rows / 23 * 22);
    plan.fill({order.slice(0, border), order.slice(border, 4 * rows)});
    plan.release(label);
    const paper_array grouped = plan.allocate(8 * rows, 0);
    plan.fill({grouped.pages});
    const paper_array sub_x = plan.allocate(8 * rows, 495);
    const paper_array sub_y = plan.allocate(8 * rows, 0);
    plan.fill({sub_x.pages});
    const paper_array weights = plan.allocate(8 * features, 512);
    plan.fill({sub_y.pages});
    const paper_array diagonal = plan.allocate(8 * rows, 495);
    const paper_array index = plan.allocate(4 * rows, 3);
    const paper_array alpha = plan.allocate(8 * rows, 495);
    const paper_array sign = plan.allocate(rows, 512);
    plan.fill({sign.pages});
    plan.fill({alpha.pages});
    plan.fill({weights.pages});
    plan.fill({diagonal.pages, index.pages});
}

/// Ligra reads a graph with out-edges, sorts pairs to find the in-edges, frees what that took, and iterates.
inline void plan_pagerank(paper_plan& plan) {
    constexpr std::uint64_t vertices = 124'836'180, edges = 3'612'134'270;
    start_program(plan, "PageRank");
    const paper_array out_edges = plan.allocate(4 * edges, 0);
    plan.fill({out_edges.pages});
    const paper_array offsets = plan.allocate(8 * vertices, 0);
    plan.fill({offsets.pages});
    const paper_array vertex = plan.allocate(32 * vertices, 512);
    plan.start_threads(paper_threads - 1, small_stack);
    plan.fill_in_shares(paper_threads, {vertex.pages});
    const paper_array in_offsets = plan.allocate(8 * vertices, 0);
    plan.fill_in_shares(paper_threads, {in_offsets.pages});
    const paper_array in_edges = plan.allocate(4 * edges, 102);
    const paper_array pairs = plan.allocate(8 * edges, 34);
    plan.fill_in_shares(paper_threads, {pairs.pages});
    plan.release(offsets);
    // The sort asks for 8 bytes per digit where it uses 1: much of its space is never touched.
    const paper_array space = plan.allocate(17 * edges, 34);
    const page_run unused = space.slice(9 * edges + edges / 2, 17 * edges);
    plan.heat(unused, 0);
    constexpr std::uint64_t block_pages = 16;  // 8192 pairs
    plan.fill_by_turns(paper_threads, block_pages,
                       {space.slice(0, 8 * edges), space.slice(8 * edges, 9 * edges),
                        run_between(space.slice(0, 9 * edges).end(), unused.first)});
    plan.release(space);
    plan.fill_in_shares(paper_threads, {in_edges.pages});
    plan.release(pairs);
    plan.release(in_offsets);
    const paper_array rank = plan.allocate(8 * vertices, 512);
    plan.fill_in_shares(paper_threads, {rank.pages});
    const paper_array next_rank = plan.allocate(8 * vertices, 512);
    plan.fill_in_shares(paper_threads, {next_rank.pages});
    const paper_array frontier = plan.allocate(vertices, 512);
    plan.fill_in_shares(paper_threads, {frontier.pages});
}

/// A table of chains is built while its nodes are filled, then probed by all threads, each with room for every match.
inline void plan_hash_join(paper_plan& plan) {
    constexpr std::uint64_t head = 8, node = 16, nodes_in_page = page_bytes / node;
    constexpr std::uint64_t results_for_each = 24 * gib / paper_threads / page_bytes * page_bytes;
    start_program(plan, "hashjoin");
    constexpr std::uint64_t build_tuples = std::uint64_t{1} << 31;
    const paper_array heads = plan.allocate(head * build_tuples, 512);
    const paper_array nodes = plan.allocate(node * build_tuples, 512);
    plan.fill_and_scatter(nodes.pages, heads.pages, nodes_in_page);
    const paper_array probes = plan.allocate(48 * gib, 127);
    plan.fill({probes.pages});
    plan.start_threads(paper_threads - 1, small_stack);
    std::vector<page_run> found;
    for (unsigned thread = 0; thread < paper_threads; ++thread) {
        const paper_array results = plan.allocate(results_for_each, 0);
        found.push_back(results.slice(0, results_for_each / 4));
        plan.heat(found.back(), 32);
    }
    plan.fill_own(found);
}

/// XSBench -t 1 -s XL -l 64 -G unionized: the grids of the nuclides, their union, and one row of indices per point.
inline void plan_xsbench(paper_plan& plan) {
    constexpr std::uint64_t nuclides = 355, points = nuclides * 238'847;
    start_program(plan, "XSBench");
    const paper_array grids = plan.allocate(48 * points, 512);
    plan.fill({grids.pages});
    const paper_array energies = plan.allocate(16 * points, 490);
    const paper_array sorted = plan.allocate(48 * points, 0);
    plan.fill({sorted.pages});
    const paper_array sort_space = plan.allocate(16 * points, 0);
    plan.fill({sort_space.pages});
    plan.release(sort_space);
    plan.fill({energies.pages});
    plan.release(sorted);
    const paper_array indices = plan.allocate(4 * nuclides * points, 7);
    plan.fill({indices.pages});
}

/// NAS BT class E: nine arrays of one common block, first touched plane by plane by the threads that will work on them.
inline void plan_bt(paper_plan& plan) {
    constexpr std::uint64_t cells = 1021ULL * 1021 * 1020, scalar = 8 * cells, vector = 5 * scalar;
    constexpr std::uint64_t work_stack = 262;  // a pencil of 5 x 5 blocks lies in each thread's own memory
    const paper_array fields = start_program(plan, "bt.E.x", vector * 3 + scalar * 6);
    std::uint64_t end = 0;
    const auto next = [&](std::uint64_t bytes, unsigned per_region) {
        const page_run pages = fields.slice(end, end + bytes);
        end += bytes;
        plan.heat(pages, per_region);
        return pages;
    };
    const page_run u = next(vector, 154);
    const page_run us = next(scalar, 77), vs = next(scalar, 77), ws = next(scalar, 77);
    const page_run qs = next(scalar, 154), rho_i = next(scalar, 154), square = next(scalar, 154);
    const page_run rhs = next(vector, 256), forcing = next(vector, 26);
    plan.start_threads(paper_threads - 1, work_stack);
    plan.fill_in_shares(paper_threads, {u});
    plan.fill_in_shares(paper_threads, {forcing});
    plan.fill_in_shares(paper_threads, {rho_i, us, vs, ws, square, qs});
    plan.fill_in_shares(paper_threads, {rhs});
}

}

LONGREACH_NAMESPACE_END

#endif
