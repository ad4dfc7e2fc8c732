#include <cstdio>
#include <longreach/allocator/ca_paging.hpp>
using namespace longreach;
constexpr page_count size{262144};  // 1 GiB of frames: numbers to the library, never touched
std::byte bits[buddy::required_bytes(size)], tree[contiguity_map::required_bytes(size)], pieces[4096];
int main() {
    buddy frames({pfn{0}, size}, bits);
    contiguity_map clusters(frames, tree);
    ca_paging<vpn, pfn> policy(frames, clusters, pieces);
    const page_run area{vpn{0x7f301}, {5000}};  // 5000 pages, which may fault in any order
    for (const vpn page : {vpn{0x7f9a3}, vpn{0x7f301}, vpn{0x80568}}) {
        const auto frame = policy.allocate({0, page, base_order, area}, nothing_mapped<vpn>{});
        std::printf("page %05llx -> frame %04llx\n", page.raw + 0ULL, frame->raw + 0ULL);
    }
}
