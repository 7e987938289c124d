package alert

import "regexp"

// chinese is simplified Chinese as people who run mail in China write it. Names of records, SMTP replies, commands and RFCs
// stay as they are.
func chinese() map[string]string {
	return map[string]string{
		// Titles of rows.
		"Record": "记录", "Since": "开始时间", "Change": "变化", "Was": "原值", "Is now": "现值", "Is still": "仍为", "Why it matters": "影响",
		"Receivers": "收件方", "Domains": "涉及域名", "Cause": "原因", "To do": "处理办法", "Do": "处理办法", "Announced was": "已预告的新值",
		"Seen by": "观察结果", "Flapping": "反复", "How far": "进展", "Time left": "剩余时间", "Caches": "缓存", "Withdrawal": "验证撤销", "Publish": "应发布", "Ended": "结束",
		"More": "详情", "Why": "原因说明", "Records": "记录列表", "Found": "发现",

		// Summaries.
		"%s; %s":             "%s；%s",
		"%s record of %s":    "%[2]s 的 %[1]s 记录",
		"Ownership":          "所有权验证",
		"%s is gone":         "%s已消失",
		"%s has changed: %s": "%s已变更：%s",
		"%s has changed: it no longer says what was verified":                      "%s已变更：与验证时的内容不符",
		"%s no longer works: %s":                                                   "%s已失效：%s",
		"%s record of %s, on which the SPF of %s rests,":                           "%[2]s 的 %[1]s 记录（%[3]s的 SPF 依赖它）",
		"%s: the zone's own servers do not agree":                                  "%s：该区域自己的权威服务器给出的结果不一致",
		"%s: receivers that validate DNSSEC do not see it, since validation fails": "%s：DNSSEC 校验失败，启用校验的收件方看不到它",
		"%s: part of the receivers do not see it as it should be":                  "%s：部分收件方看到的内容不正确",
		"%s was not found as it should be for %s":                                  "%s 已有 %s 未按要求出现",
		"%s was to change by %s and has not":                                       "%s 应在 %s 前变更，但仍未变更",
		"maildrift cannot see: nothing is judged until it can":                     "maildrift 无法观测：恢复之前不作任何判断",
		"Resolver operator %s has no vote any more: it is alone with what it says": "解析服务商 %s 暂停投票：它的结果与其他所有服务商都不同",
		"%s stands on something that fails: %s: %s":                                "%s 所依赖的基础设施有故障：%s：%s",
		"%s (and %d more)":     "%s（另有 %d 项）",
		"maildrift is running": "maildrift 正在运行",
		"This alert always fires. Route it to a service that calls you when it stops coming.": "此告警始终处于触发状态。请把它路由到一个在它停止到达时会通知您的服务。",
		"TEST, nothing is wrong: %s": "测试，一切正常：%s",

		// Numbers.
		"1 record": "1 条记录", "%d records": "%d 条记录", "1 registered domain": "1 个已登记域名", "%d registered domains": "%d 个已登记域名",
		"%d days": "%d 天", "%d hours": "%d 小时", "%d minutes": "%d 分钟", "a minute": "一分钟", "less than a minute": "不到一分钟",
		"and %d more": "另有 %d 条", "%s and %d more": "%s 等，另有 %d 个", "%s of %s": "%[2]s的 %[1]s",

		// Causes.
		"%s: %s of %s":                       "%[1]s：涉及 %[3]s的 %[2]s",
		"The zone %s is no longer delegated": "区域 %s 已不再被授权（委派丢失）",
		"The zone %s is served by other name servers, which do not have the records":                     "区域 %s 已改由其他权威服务器提供服务，而这些服务器上没有这些记录",
		"The zone %s has lost all that is watched in it":                                                 "区域 %s 中受监控的记录已全部丢失",
		"%s has lost all records that are watched":                                                       "%s 受监控的记录已全部丢失",
		"DNSSEC of %s is broken":                                                                         "%s 的 DNSSEC 已损坏",
		"What CNAME records lead to at %s is gone":                                                       "CNAME 指向的 %s 下的目标已消失",
		"Nobody answers for the zone %s":                                                                 "区域 %s 无人应答",
		"%s is still wrong after its pause":                                                              "%s 暂停结束后仍有问题",
		"resolvers that validate answer SERVFAIL for all of %s (RFC 4035 section 5.5)":                   "启用校验的解析器对 %s 的所有查询均返回 SERVFAIL（RFC 4035 第 5.5 节）",
		"what CNAME records of several domains lead to below %s is not there any more":                   "多个域名的 CNAME 所指向的 %s 下的目标已不存在",
		"neither the servers of %s nor resolvers on their behalf answer, while other zones are answered": "%s 的权威服务器和各解析器都不应答，而其他区域应答正常",
		"nothing new was told about %s while it was paused; this is what is still wrong":                 "%s 暂停期间未发送新告警；以下是目前仍未恢复的内容",
		"Look at the registration of %[1]s (has it expired? is it on hold?) and have its name servers entered again: whois %[1]s; dig NS %[1]s":        "请检查 %[1]s 的注册状态（是否过期？是否被锁定？），并在注册商处重新填写权威服务器：whois %[1]s; dig NS %[1]s",
		"If nobody of yours moved the zone, treat it as a hijack: call the registrar. If it is a move, copy the records to the new servers: dig NS %s": "如果不是您的人迁移了该区域，请按域名劫持处理并立即联系注册商；如果是迁移，请把记录复制到新的服务器：dig NS %s",
		"Look at the zone at your DNS host: was it replaced by an empty or an old one? Restore it from its last export, or publish the records anew.":  "请在 DNS 服务商处检查该区域：是否被空区域或旧区域替换？请用最近一次导出恢复，或重新发布这些记录。",
		"Have the DNS host sign the zone anew, or the DS record at the parent taken back until it is: dig +dnssec DNSKEY %[1]s; dig DS %[1]s":          "请让 DNS 服务商重新签名该区域，或在修复之前先撤下父区域中的 DS 记录：dig +dnssec DNSKEY %[1]s; dig DS %[1]s",
		"It is the provider's to mend: look at its status page and call it. Send through another key or provider until it is.":                         "需由服务商修复：请查看其状态页并联系对方；修复之前请改用其他密钥或其他服务商发信。",
		"Look whether the zone's name servers are up and reachable: dig +trace NS %s":                                                                  "请检查该区域的权威服务器是否在线、可达：dig +trace NS %s",
		"See what each record says and should say: maildrift domains show %s":                                                                          "查看每条记录的现值与应有值：maildrift domains show %s",
		"Look at the zone at your DNS host and publish the records anew.":                                                                              "请在 DNS 服务商处检查该区域，并重新发布这些记录。",

		// Announced changes.
		"no record at all": "删除该记录", "the key of %s takes its place": "由 %s 的密钥接替", "%s\n(until %s; %s)": "%s\n（截至 %s；%s）",
		"Mail is as it was: what was verified still stands. Both values hold until this is settled.":                                                    "邮件不受影响：已验证的内容仍在。在处理完成之前，新旧两个值都视为正确。",
		"Make the change, announce another window (maildrift expect %[1]s %[2]s … --until …), or take it back (maildrift expect %[1]s %[2]s --cancel).": "请完成变更，或重新预告一个时间窗（maildrift expect %[1]s %[2]s … --until …），或撤回预告（maildrift expect %[1]s %[2]s --cancel）。",

		// What receivers do.
		"accepted": "接收", "junked": "放入垃圾邮件", "deferred": "暂缓接收", "rejected": "拒收",
		"%s with %s": "%s（%s）", "%s: %s, because %s": "%s：%s，原因：%s",
		"Receivers refuse mail because of this, at the latest when caches have run out.": "收件方会因此拒收邮件，最迟在缓存过期之后。",
		"Some receivers refuse, defer or junk mail because of this.":                     "部分收件方会因此拒收、暂缓接收或把邮件放入垃圾邮件。",
		"Mail is delivered, but protection of the domain is lost.":                       "邮件仍可送达，但域名失去保护。",
		"Receivers do not mind, but it is not what was verified.":                        "对收件方没有影响，但与验证时的内容不符。",
		"Whoever sees it wrong treats your mail so: %s":                                  "看到错误内容的收件方会这样处理：%s",
		"The mail service will not verify the domain until the record is published.":     "在记录发布之前，邮件服务不会通过该域名的验证。",
		"nothing": "无",
		"It is not yours to publish: ask whoever keeps it. Until it is back, take its include out of your own SPF records, or list their networks there.": "该记录不归您发布：请联系其维护者。恢复之前，请从您自己的 SPF 记录中去掉对它的 include，或直接列出对方的网段。",

		// Who sees it, and how far it has come.
		"%d of %d resolver operators": "%[2]d 家解析服务商中的 %[1]d 家看到异常", "%s that answered (%d did not)": "%s（另有 %d 家未应答）",
		"%s; validation fails at %d": "%s；%d 家校验失败", "%s; zone's own servers: %d of %d": "%[1]s；区域权威服务器：%[3]d 台中的 %[2]d 台",
		"changed at the zone's own servers; caches still hold the verified record":                                                                "权威服务器上已变更；缓存中仍是已验证的记录",
		"most resolvers see it, although the zone's own servers have the verified record: look at DNSSEC, the delegation and the network between": "多数解析器已看到，但权威服务器上仍是已验证的记录：请检查 DNSSEC、委派以及中间的网络",
		"most resolvers see it: receivers do too":                                                                                                 "多数解析器已看到：收件方也会看到",
		"part of the zone's own servers have the verified record again":                                                                           "部分权威服务器已恢复为已验证的记录",
		"part of the resolvers have the verified record again":                                                                                    "部分解析器已恢复为已验证的记录",
		"mended at the zone's own servers; caches have it again by %s":                                                                            "权威服务器上已恢复；缓存最迟在 %s 恢复",
		"mended at the zone's own servers; caches follow":                                                                                         "权威服务器上已恢复；缓存随后恢复",

		"it goes back and forth: %d times since %s. It is told as one, and stays open until it has held for a while.": "记录反复变化：自 %[2]s 起已变化 %[1]d 次。只作为一个告警通知，保持稳定一段时间后才会恢复。",

		// Times.
		"receivers start to reject %s": "%s 收件方开始拒收", "mail starts to suffer %s": "%s 邮件开始受影响",
		"protection starts to be lost %s": "%s 开始失去保护", "receivers start to see it %s": "%s 收件方开始看到",
		"%s, all of them by %s": "%s，最迟 %s 全部生效", "now (since %s)": "现在（自 %s 起）", "in %s, at %s": "%s后（%s）", "%s until %s": "%s 至 %s",
		"the first caches run out of the verified records %s":                                                       "%s 第一批缓存中的已验证记录过期",
		"%s has withdrawn the domain's verification by now (%s): verify it anew once the record is back":            "%s 此时已撤销该域名的验证（%s）：记录恢复后请重新验证",
		"%s withdraws the domain's verification %s":                                                                 "%[2]s %[1]s 将撤销该域名的验证",
		"%s: mended before caches ran out; no resolver that was asked ever gave the wrong answer: nothing was lost": "%s：在缓存过期之前已恢复；所查询的解析器从未返回错误结果，没有造成损失",

		// How it ended.
		"recovered": "已恢复", "replaced": "被另一告警取代", "removed": "已不再监控", "the expectation was changed": "期望值已修改",
		"announced anew": "已重新预告", "the change was made": "变更已完成",
	}
}

// reasonPattern finds a reason that comes from below, with what it speaks of.
type reasonPattern struct {
	english *regexp.Regexp
	own     string
}

// chineseReasons are the reasons that are told most. Others stay English.
func chineseReasons() []reasonPattern {
	var out []reasonPattern
	for _, p := range [][2]string{
		{`there is no SPF record`, "没有 SPF 记录"},
		{`there is no DKIM key at the selector: signatures cannot be verified`, "该选择器下没有 DKIM 公钥：签名无法验证"},
		{`there is no DMARC record: large receivers refuse bulk mail without one`, "没有 DMARC 记录：大型收件方会拒收没有它的批量邮件"},
		{`there is no MX record: mail and bounces go to the domain's own address, if it has one`, "没有 MX 记录：邮件和退信会投往域名自身的地址（如果有）"},
		{`there is no such (\S+) value`, "没有相应的 $1 值"},
		{`senders of (.+) no longer pass SPF: the result for them is (\w+)`, "$1 的发信方不再通过 SPF：结果为 $2"},
		{`senders of (.+) may no longer pass SPF, since (.+) now stands before it`, "$1 的发信方可能不再通过 SPF，因为 $2 现在排在它前面"},
		{`senders that are not listed got (\w+) from this record and now get (\w+)`, "未列出的发信方原来得到 $1，现在得到 $2"},
		{`there are (\d+) SPF records and only one is allowed: receivers give up with permerror`, "有 $1 条 SPF 记录而只允许一条：收件方以 permerror 放弃"},
		{`there are (\d+) DMARC records and only one is allowed: receivers discard all of them`, "有 $1 条 DMARC 记录而只允许一条：收件方会全部忽略"},
		{`there are (\d+) key records at the selector: which one a receiver takes is undefined`, "该选择器下有 $1 条密钥记录：收件方取用哪一条没有定义"},
		{`(\d+) terms of the SPF record need DNS lookups and at most (\d+) are allowed: receivers give up with permerror`, "SPF 记录有 $1 项需要 DNS 查询，最多允许 $2 项：收件方以 permerror 放弃"},
		{`the SPF record lets anybody send in the domain's name .*`, "SPF 记录允许任何人以该域名发信（+all，或包含全部地址的网段）"},
		{`the key is revoked: p= is empty`, "密钥已吊销：p= 为空"},
		{`the key cannot be used: (.+)`, "密钥无法使用：$1"},
		{`the key record is invalid: (.+)`, "密钥记录无效：$1"},
		{`mail no longer goes to (.+)`, "邮件不再投往 $1"},
		{`mail also goes to (.+)`, "邮件还会投往 $1"},
		{`mail goes to (.+) and no longer to (.+)`, "邮件改投 $1，不再投往 $2"},
		{`DNSSEC validation fails: .*`, "DNSSEC 校验失败：启用校验的解析器返回 SERVFAIL，尽管权威服务器上有该记录"},
		{`DNSSEC validation fails`, "DNSSEC 校验失败"},
		{`the domain's own DMARC policy rejects it`, "域名自己的 DMARC 策略要求拒收"},
		{`the domain's own DMARC policy puts it with the spam`, "域名自己的 DMARC 策略要求放入垃圾邮件"},
		{`the SPF record ends in -all and the mail does not pass it`, "SPF 记录以 -all 结尾，而邮件未通过"},
		{`neither SPF nor DKIM passes`, "SPF 和 DKIM 均未通过"},
		{`neither SPF nor DKIM passes for the From domain`, "对 From 域名，SPF 和 DKIM 均未通过"},
		{`(SPF|DKIM|DMARC) does not pass, which (?:bulk|high-volume) senders need`, "$1 未通过，而批量发信方必须通过"},
		{`there is no DMARC record, which (?:bulk|high-volume) senders need`, "没有 DMARC 记录，而批量发信方必须有"},
		{`the records cannot be looked up`, "记录无法查询"},
	} {
		out = append(out, reasonPattern{regexp.MustCompile("^" + p[0] + "$"), p[1]})
	}
	return out
}
