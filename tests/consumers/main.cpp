#include <cstdio>
#include <longreach/allocator/ca_paging.hpp>
using namespace longreach;
std::byte bits[buddy::required_bytes({262144})], tree[contiguity_map::required_bytes({262144})], pieces[4096];
int main() {
    buddy frames({pfn{0}, {262144}}, bits);  // 1 GiB: frames are numbers, never touched
    contiguity_map clusters(frames, tree);
    ca_paging<vpn, pfn> policy(frames, clusters, pieces);
    placement_request<vpn> fault{.area = {vpn{0x7f301}, {5000}}};  // 5000 pages, which may fault in any order
    for (unsigned n : {0x7f9a3U, 0x7f301U, 0x80568U})
        fault.page = vpn{n}, std::printf("%x -> %lx\n", n, policy.allocate(fault, nothing_mapped<vpn>{})->raw);
}
